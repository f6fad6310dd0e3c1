import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { parseJsonFile } from "./json-file.ts";
import { type ReloadedFile, reloadedFile } from "./reloaded-file.ts";

let folder: string;
let path: string;
let complaints: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "reloaded-"));
  path = join(folder, "file.json");
  complaints = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(): ReloadedFile<number[]> {
  const file = { path, what: "list", variable: "ZT_LIST" };
  const onError = ({ message }: Error) => void complaints.push(message);
  return reloadedFile(file, (bytes) => parseJsonFile(file, bytes, z.array(z.int("must be a number"))), onError);
}

test("takes what a file has become, and the same value while it has not changed", () => {
  writeFileSync(path, "[1]");
  const file = open();
  const first = file.current();
  file.reload();
  expect(file.current()).toBe(first);
  writeFileSync(path, "[2]");
  file.reload();
  expect(file.current()).toEqual([2]);
});

test("follows a link that is changed to another file", () => {
  for (const [name, text] of [
    ["a", "[1]"],
    ["b", "[2]"],
  ] as const)
    writeFileSync(join(folder, name), text);
  symlinkSync("a", path);
  const file = open();
  rmSync(path);
  symlinkSync("b", path);
  file.reload();
  expect(file.current()).toEqual([2]);
});

test("keeps the last good version, complains once for each thing that is wrong, and takes the next good one", () => {
  writeFileSync(path, "[1]");
  const file = open();
  const reloadTwice = () => {
    file.reload();
    file.reload();
    return file.current();
  };
  writeFileSync(path, '["canary"]');
  expect(reloadTwice()).toEqual([1]);
  rmSync(path);
  expect(reloadTwice()).toEqual([1]);
  expect(complaints).toEqual([
    `The list ${path} is not valid: 0 must be a number; correct it or name another with ZT_LIST.`,
    `The list ${path} does not exist; name another with ZT_LIST.`,
  ]);
  writeFileSync(path, "[2]");
  expect(reloadTwice()).toEqual([2]);
  expect(complaints).toHaveLength(2);
});

test("does not start with a file that is no good", () => {
  writeFileSync(path, "canary");
  expect(open).toThrow(`The list ${path} is not JSON; correct it or name another with ZT_LIST.`);
});
