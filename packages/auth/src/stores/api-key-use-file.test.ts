import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { apiKeyUseFile } from "./api-key-use-file.ts";

let folder: string;
let path: string;
const errors: string[] = [];
const onError = ({ message }: Error) => errors.push(message);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zt-"));
  path = join(folder, "uses.json");
  errors.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

const use = (id: string, second: number) => ({ id, client: "reporting", atMs: Date.UTC(2026, 0, 1, 0, 0, second) });
const time = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}.000Z`;
const read = () => JSON.parse(readFileSync(path, "utf8")) as unknown;

test("the last use of each key is written at close, for the owner alone, and nothing else is left behind", async () => {
  const file = apiKeyUseFile(path, { onError });
  for (const second of [3, 1]) file.used(use("aaaaaaaaaaaa", second));
  file.used(use("bbbbbbbbbbbb", 2));
  expect(readdirSync(folder)).toEqual([]);
  await file.close();
  expect(read()).toEqual({ uses: { aaaaaaaaaaaa: time(3), bbbbbbbbbbbb: time(2) } });
  expect([readdirSync(folder), statSync(path).mode & 0o777, errors]).toEqual([["uses.json"], 0o600, []]);
});
test("uses are written in the background, once for many", async () => {
  const file = apiKeyUseFile(path, { writeMs: 5, onError });
  for (let second = 0; second < 50; second += 1) file.used(use("aaaaaaaaaaaa", second));
  await vi.waitFor(() => expect(read()).toEqual({ uses: { aaaaaaaaaaaa: time(49) } }));
  file.used(use("bbbbbbbbbbbb", 51));
  await vi.waitFor(() => expect(read()).toEqual({ uses: { aaaaaaaaaaaa: time(49), bbbbbbbbbbbb: time(51) } }));
  await file.close();
});
test("what is there is merged, the later use of each key", async () => {
  const [one, other] = [apiKeyUseFile(path, { onError }), apiKeyUseFile(path, { onError })];
  one.used(use("aaaaaaaaaaaa", 9));
  one.used(use("cccccccccccc", 1));
  await one.close();
  other.used(use("aaaaaaaaaaaa", 5));
  other.used(use("bbbbbbbbbbbb", 5));
  await other.close();
  expect(read()).toEqual({ uses: { aaaaaaaaaaaa: time(9), bbbbbbbbbbbb: time(5), cccccccccccc: time(1) } });
  expect(errors).toEqual([]);
});
test.each([
  ["half-written", '{"uses": {"aaaaaaaaaaaa"', /uses\.json is no record of uses, and is left alone: it is not JSON/],
  ["somebody else's", '{"keys": []}', /is left alone: it has an unknown key "keys"/],
  ["of another form", '{"uses": {"aaaaaaaaaaaa": 1}}', /is left alone: "uses" has no text/],
])(
  "a file that is %s is reported once and left alone, and replaces nothing that is known",
  async (_name, text, message) => {
    writeFileSync(path, text);
    const file = apiKeyUseFile(path, { writeMs: 1, onError });
    file.used(use("aaaaaaaaaaaa", 1));
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    file.used(use("bbbbbbbbbbbb", 2));
    await file.close();
    expect([errors, readFileSync(path, "utf8")]).toEqual([[expect.stringMatching(message)], text]);
    rmSync(path);
    await file.close();
    expect(read()).toEqual({ uses: { aaaaaaaaaaaa: time(1), bbbbbbbbbbbb: time(2) } });
  },
);
test("a folder that is not there is reported, and written to when it is", async () => {
  path = join(folder, "later", "uses.json");
  const file = apiKeyUseFile(path, { writeMs: 1, onError });
  file.used(use("aaaaaaaaaaaa", 1));
  await vi.waitFor(() => expect(errors).toEqual([expect.stringMatching(/cannot be written \(ENOENT\)/)]));
  mkdirSync(join(folder, "later"));
  await vi.waitFor(() => expect(read()).toEqual({ uses: { aaaaaaaaaaaa: time(1) } }));
  expect(errors).toHaveLength(1);
  await file.close();
});
test("a time that is none is dropped, and a listener that throws ends nothing", async () => {
  const throwing = vi.fn<() => void>(() => {
    throw new Error("canary");
  });
  const file = apiKeyUseFile(folder, { onError: throwing });
  // Written, the times of other years than 0 to 9999 could not be read back, and no use would be written again.
  for (const atMs of [Number.NaN, Number.POSITIVE_INFINITY, -1, Date.UTC(10_000, 0)]) {
    file.used({ ...use("aaaaaaaaaaaa", 1), atMs });
  }
  await file.close();
  expect(throwing).not.toHaveBeenCalled();
  file.used(use("aaaaaaaaaaaa", 1));
  await file.close();
  expect(throwing).toHaveBeenCalledTimes(1);
});
test("a listener that rejects ends nothing: nobody hears of it", async () => {
  const rejects = (): unknown => Promise.reject(new Error("canary"));
  const { promise: heard, resolve } = Promise.withResolvers<unknown>();
  process.once("unhandledRejection", resolve);
  const file = apiKeyUseFile(folder, { onError: rejects });
  file.used(use("aaaaaaaaaaaa", 1));
  await file.close();
  expect(await Promise.race([heard, setImmediate("nobody")])).toBe("nobody");
  process.off("unhandledRejection", resolve);
});
test.each([0, Number.NaN, 2 ** 31])("every %d ms is no time to write", (writeMs) => {
  expect(() => apiKeyUseFile(path, { writeMs })).toThrow(/^writeMs is milliseconds/);
});
test("many keys are kept up to a limit, the newest of them", async () => {
  const old = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`old${index}`, time(1)]));
  writeFileSync(path, JSON.stringify({ uses: old }));
  const file = apiKeyUseFile(path, { onError });
  for (let key = 0; key < 10_001; key += 1) file.used(use(`new${key}`, 2));
  await file.close();
  const uses = Object.keys((read() as { uses: object }).uses);
  expect([uses.length, uses.filter((id) => id.startsWith("new")).length]).toEqual([10_000, 10_000]);
});
