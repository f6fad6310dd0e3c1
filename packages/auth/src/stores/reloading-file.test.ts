import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FileError, MAX_FILE_BYTES, parseJson, reloadingFile } from "./reloading-file.ts";

let folder: string;
let path: string;
const errors: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zt-"));
  path = join(folder, "file.json");
  errors.length = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

const write = (content: string) => writeFileSync(path, content, { mode: 0o600 });
const onError = ({ message }: Error) => errors.push(message);
const isVersion = (bytes: Buffer) => {
  const { version } = parseJson(bytes) as { version?: number };
  if (version === undefined) throw new Error("it has no version");
  return version;
};
const open = (isSecret = false) => reloadingFile([path], isVersion, { onError, isSecret });
const reload = () => vi.advanceTimersByTime(5_000);

/** Puts something else in the place of the file. */
function instead(put: () => void): () => void {
  return () => {
    rmSync(path);
    put();
  };
}
const noFile = /file\.json is not a file: is the path right\?$/;
/** What spoils the file, and what is said of it. */
const bad: Record<string, [() => void, RegExp]> = {
  gone: [instead(() => undefined), /file\.json cannot be read \(ENOENT\): is the path right\?$/],
  "half-written": [() => write('{"version"'), /file\.json is no good: it is not JSON\.$/],
  empty: [() => write(""), /file\.json is no good: it is not JSON\.$/],
  "not of its form": [() => write('{"versions": 1}'), /file\.json is no good: it has no version\.$/],
  "a folder": [instead(() => mkdirSync(path)), noFile],
  "a pipe": [instead(() => execFileSync("mkfifo", [path])), noFile],
  "too large": [() => truncateSync(path, 100 * 1024 * 1024), /file\.json is larger than 10485760 bytes/],
  "a link to nothing": [instead(() => symlinkSync("nothing", path)), /cannot be read \(ENOENT\)/],
  "a link to itself": [instead(() => symlinkSync(path, path)), /cannot be read \(ELOOP\)/],
};

describe.each(Object.entries(bad))("a file that is %s", (_name, [spoil, message]) => {
  test("K10: is an error at the start", () => {
    write('{"version": 1}');
    spoil();
    expect(open).toThrow(FileError);
    expect(open).toThrow(message);
  });
  test("K10: is told of once later, and the last good version stays until there is a better one", () => {
    write('{"version": 1}');
    const file = open();
    spoil();
    for (let times = 0; times < 3; times += 1) reload();
    expect(file.current()).toBe(1);
    expect(errors).toEqual([expect.stringMatching(message)]);
    rmSync(path, { recursive: true, force: true });
    write('{"version": 2}');
    reload();
    expect(file.current()).toBe(2);
    spoil();
    reload();
    expect([file.current(), errors.length]).toEqual([2, 2]);
    file.close();
  });
});

test("a secret file that is open to others is not used, at the start and later", () => {
  write('{"version": 1}');
  chmodSync(path, 0o660);
  expect(() => open(true)).toThrow(/file\.json is open to others: chmod 600 it/);
  chmodSync(path, 0o600);
  const file = open(true);
  write('{"version": 2}');
  chmodSync(path, 0o604);
  reload();
  expect([file.current(), errors.length]).toEqual([1, 1]);
  chmodSync(path, 0o600);
  reload();
  expect(file.current()).toBe(2);
  file.close();
});
test("a file as large as allowed is read", () => {
  write(`{"version": 1${" ".repeat(MAX_FILE_BYTES - 14)}}`);
  expect(statSync(path).size).toBe(MAX_FILE_BYTES);
  open().close();
});
test("a change is seen by its bytes: same size, same time, and by a link that is swapped above it", () => {
  for (const version of [1, 2]) {
    mkdirSync(join(folder, `v${version}`));
    writeFileSync(join(folder, `v${version}`, "keys"), `{"version": ${version}}`);
    utimesSync(join(folder, `v${version}`, "keys"), 1, 1);
  }
  const link = (to: string) => {
    symlinkSync(to, join(folder, "next"));
    renameSync(join(folder, "next"), join(folder, "now"));
  };
  link("v1");
  path = join(folder, "now", "keys");
  const file = open();
  link("v2");
  reload();
  expect(file.current()).toBe(2);
  writeFileSync(path, '{"version": 3}');
  utimesSync(path, 1, 1);
  reload();
  expect([file.current(), errors]).toEqual([3, []]);
  file.close();
});
test("K10: where nobody listens, the process warns of a version that is not used", async () => {
  const warned = new Promise<Error>((resolve) => void process.once("warning", resolve));
  write('{"version": 1}');
  const file = reloadingFile([path], isVersion, {});
  write("");
  reload();
  expect(await warned).toMatchObject({
    code: "ZERO_TRUST_FILE_NOT_USED",
    message: expect.stringContaining(path) as string,
  });
  file.close();
});
test("a listener that throws ends nothing", () => {
  write('{"version": 1}');
  const file = reloadingFile([path], isVersion, { onError: () => expect.unreachable() });
  write("");
  reload();
  write('{"version": 2}');
  reload();
  expect(file.current()).toBe(2);
  file.close();
});
test("a listener that rejects ends nothing: nobody hears of it", async () => {
  const rejects = (): unknown => Promise.reject(new Error("disk full"));
  const { promise: heard, resolve } = Promise.withResolvers<unknown>();
  process.once("unhandledRejection", resolve);
  write('{"version": 1}');
  const file = reloadingFile([path], isVersion, {
    onError: rejects,
  });
  write("");
  reload();
  expect(await Promise.race([heard, setImmediate("nobody")])).toBe("nobody");
  process.off("unhandledRejection", resolve);
  file.close();
});
test.each([0, -1, Number.NaN, 2 ** 31, Number.POSITIVE_INFINITY])(
  "every %d ms is no time to look at a file",
  (reloadMs) => {
    write('{"version": 1}');
    expect(() => reloadingFile([path], isVersion, { reloadMs })).toThrow(/^reloadMs is milliseconds/);
  },
);
test("a closed file is not looked at any more", () => {
  write('{"version": 1}');
  const file = open();
  file.close();
  write('{"version": 2}');
  reload();
  expect(file.current()).toBe(1);
});
