import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { withLock } from "./lock.ts";

let folder: string;
let path: string;
const what = "the PKI";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zero-trust-lock-"));
  path = join(folder, "lock");
});
afterEach(() => rmSync(folder, { recursive: true }));

it("lets one in at a time, and the next when it has left", async () => {
  let inside = 0;
  const seen: number[] = [];
  const enter = () =>
    withLock(
      path,
      async () => {
        inside += 1;
        seen.push(inside);
        await new Promise(setImmediate);
        inside -= 1;
      },
      { what },
    );
  await Promise.all([enter(), enter(), enter()]);
  expect(seen).toEqual([1, 1, 1]);
  expect(existsSync(path)).toBe(false);
});

it("is open again after a failure", async () => {
  await expect(withLock(path, () => Promise.reject(new Error("no")), { what })).rejects.toThrow("no");
  expect(await withLock(path, async () => "in", { what })).toBe("in");
});

it("names the process that has it, and gives up after a while", async () => {
  await withLock(
    path,
    async () => {
      await expect(withLock(path, async () => "in", { what, patienceMs: 100 })).rejects.toThrow(
        `Process ${process.pid} on ${hostname()} is changing the PKI; try again, or remove ${path} if it is not running.`,
      );
    },
    { what },
  );
});

it("says at once that its process was killed, and is not taken over", async () => {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  const left = JSON.stringify({ pid, host: hostname() });
  writeFileSync(path, left);
  await expect(withLock(path, async () => "in", { what })).rejects.toThrow(
    `Process ${pid} was killed while it changed the PKI; remove ${path} and try again.`,
  );
  expect(readFileSync(path, "utf8")).toBe(left);
});
