import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type DecisionEvent, printable } from "../decision-event.ts";
import { decisionFile } from "./decision-file.ts";

// The file system's own habits (short writes, a disk that fills up) cannot be had on demand.
vi.mock("node:fs", { spy: true });
const real = await vi.importActual<typeof fs>("node:fs");

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "decisions-"));
  path = join(folder, "decisions.jsonl");
});
afterEach(() => {
  vi.mocked(fs.writeSync).mockRestore();
  vi.mocked(fs.closeSync).mockRestore();
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

const event = (method: string): DecisionEvent => ({
  time: new Date(0),
  method: printable(method),
  outcome: "allowed",
  credentials: [],
  credentialIds: [],
  latencyMs: 1,
});
const methodsIn = (file: string) =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { method: string }).method);
/** Lets the next write take so many bytes alone. */
function cutShortAfter(bytes: number): void {
  vi.mocked(fs.writeSync).mockImplementationOnce((descriptor: number, record: string | NodeJS.ArrayBufferView) =>
    real.writeSync(descriptor, (record as Buffer).subarray(0, bytes)),
  );
}
function fillUp(): void {
  vi.mocked(fs.writeSync).mockImplementationOnce(() => {
    throw new Error("ENOSPC: no space left on device");
  });
}

describe("decisionFile", () => {
  test("appends one line of JSON a decision, in a file that nobody else can read", () => {
    const log = decisionFile(path);
    log.write(event("/a/A"));
    expect(methodsIn(path)).toEqual(["/a/A"]);
    log.write(event("/a/B"));
    log.close();
    const second = decisionFile(path);
    second.write(event("/a/C"));
    second.close();
    expect(methodsIn(path)).toEqual(["/a/A", "/a/B", "/a/C"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
  test.each<[string, () => void]>([
    ["moved away", () => renameSync(path, `${path}.1`)],
    ["deleted", () => rmSync(path)],
    [
      "replaced",
      () => {
        renameSync(path, `${path}.1`);
        writeFileSync(path, "");
      },
    ],
  ])("goes on in a new file within a second of the old one being %s", (_name, rotate) => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const log = decisionFile(path);
    log.write(event("/a/A"));
    rotate();
    log.write(event("/a/B"));
    vi.advanceTimersByTime(1_000);
    log.write(event("/a/C"));
    log.close();
    expect(methodsIn(path)).toEqual(["/a/C"]);
    expect(existsSync(`${path}.1`) ? methodsIn(`${path}.1`) : ["/a/A", "/a/B"]).toEqual(["/a/A", "/a/B"]);
  });
  test("throws as long as there is no place for a new file, and goes on when there is", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const log = decisionFile(path);
    renameSync(folder, `${folder}-gone`);
    vi.advanceTimersByTime(1_000);
    expect(() => log.write(event("/a/A"))).toThrow(/ENOENT/);
    expect(() => log.write(event("/a/A"))).toThrow(/ENOENT/);
    renameSync(`${folder}-gone`, folder);
    log.write(event("/a/B"));
    log.close();
    expect(methodsIn(path)).toEqual(["/a/B"]);
  });
  test.skipIf(!existsSync("/dev/full"))("throws when the disk is full", () => {
    const log = decisionFile("/dev/full");
    expect(() => log.write(event("/a/A"))).toThrow(/ENOSPC/);
    log.close();
  });
  test("goes on in the new file when the old one does not close well, whose number is another's then", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const log = decisionFile(path);
    renameSync(path, `${path}.1`);
    vi.advanceTimersByTime(1_000);
    vi.mocked(fs.closeSync).mockImplementationOnce((descriptor) => {
      real.closeSync(descriptor);
      throw new Error("EIO: i/o error, close");
    });
    expect(() => log.write(event("/a/A"))).toThrow(/EIO/);
    const strangers = real.openSync(join(folder, "stranger"), "a+");
    log.write(event("/a/B"));
    log.close();
    real.closeSync(strangers);
    expect([methodsIn(path), methodsIn(join(folder, "stranger"))]).toEqual([["/a/B"], []]);
  });
  test("is no pipe, which would stop the process when nobody reads it", () => {
    execFileSync("mkfifo", [path]);
    expect(() => decisionFile(path)).toThrow(/is a pipe/);
  });
  test("throws when it cannot be opened, and when it is closed", () => {
    expect(() => decisionFile(join(folder, "none", "x"))).toThrow(/ENOENT/);
    const log = decisionFile(path);
    log.close();
    log.close();
    expect(() => log.write(event("/a/A"))).toThrow(/is closed/);
  });
  test("completes what was written in part", () => {
    const log = decisionFile(path);
    cutShortAfter(10);
    log.write(event("/a/A"));
    log.close();
    expect(methodsIn(path)).toEqual(["/a/A"]);
  });
  test("begins a line of its own after half a record, whoever wrote that", () => {
    const log = decisionFile(path);
    cutShortAfter(10);
    fillUp();
    expect(() => log.write(event("/a/A"))).toThrow(/ENOSPC/);
    log.write(event("/a/B"));
    log.write(event("/a/C"));
    log.close();
    const [half = "", ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
    expect(half).toHaveLength(10);
    expect(lines.map((line) => (JSON.parse(line) as { method: string }).method)).toEqual(["/a/B", "/a/C"]);

    writeFileSync(path, "half a rec");
    const next = decisionFile(path);
    next.write(event("/a/D"));
    next.close();
    expect(readFileSync(path, "utf8")).toMatch(/^half a rec\n\{.*\}\n$/);
  });
  test("begins a line of its own after half a record of another process that writes to the same file", () => {
    const log = decisionFile(path);
    log.write(event("/a/A"));
    appendFileSync(path, "half a rec");
    log.write(event("/a/B"));
    log.close();
    expect(readFileSync(path, "utf8")).toMatch(/^\{.*\}\nhalf a rec\n\{.*\}\n$/);
  });
});
