import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readTlsFiles, stageTlsFiles } from "./tls-folder.ts";

let folder: string;
const files = { "tls.crt": "leaf 1", "tls.key": "key 1", "ca.crt": "root", "ca.crl": "list 1" };

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "zero-trust-tls-")), "tls");
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

it("shows nothing before it is published, and then everything", () => {
  const staged = stageTlsFiles(folder, files);
  expect(readTlsFiles(folder)).toEqual({});
  staged.publish();
  expect(readTlsFiles(folder)).toEqual(files);
  expect(statSync(join(folder, "tls.key")).mode & 0o777).toBe(0o600);
});

it("keeps what is not named, and leaves no old key behind", () => {
  stageTlsFiles(folder, files).publish();
  stageTlsFiles(folder, { "ca.crl": "list 2" }).publish();
  stageTlsFiles(folder, { "tls.crt": "leaf 2", "tls.key": "key 2" }).publish();
  expect(readTlsFiles(folder)).toEqual({ ...files, "tls.crt": "leaf 2", "tls.key": "key 2", "ca.crl": "list 2" });
  expect(readdirSync(folder).filter((name) => name.startsWith("..v-"))).toHaveLength(1);
});

it("leaves nothing when it is discarded", () => {
  stageTlsFiles(folder, files).publish();
  const before = readdirSync(folder);
  stageTlsFiles(folder, { "tls.key": "key 2" }).discard();
  expect(readdirSync(folder)).toEqual(before);
  expect(readTlsFiles(folder)).toEqual(files);
});

it("takes over plain files, with what else is in the folder", () => {
  stageTlsFiles(folder, {}).publish();
  rmSync(join(folder, "..data"));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  writeFileSync(join(folder, "README"), "ours");
  stageTlsFiles(folder, { "tls.crt": "leaf 2", "tls.key": "key 2" }).publish();
  expect(readTlsFiles(folder)).toEqual({ ...files, "tls.crt": "leaf 2", "tls.key": "key 2" });
  expect(lstatSync(join(folder, "tls.crt")).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(folder, "README"), "utf8")).toBe("ours");
});

it("changes all files by changing one link", () => {
  stageTlsFiles(folder, files).publish();
  const links = () => Object.keys(files).map((name) => lstatSync(join(folder, name)).ino);
  const before = links();
  stageTlsFiles(folder, { ...files, "tls.crt": "leaf 2", "tls.key": "key 2" }).publish();
  expect(links()).toEqual(before);
});

it("names a folder that cannot be one", () => {
  stageTlsFiles(folder, {}).discard();
  writeFileSync(join(folder, "file"), "");
  const inFile = join(folder, "file", "tls");
  expect(() => stageTlsFiles(inFile, files)).toThrow(
    `${inFile} cannot be written: a part of its path is not a folder.`,
  );
  expect(existsSync(inFile)).toBe(false);
});
