import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import * as grpc from "@grpc/grpc-js";
import type { DecisionEvent } from "@zero-trust/auth";
import type { Printable } from "@zero-trust/auth/server";
import { describe, expect, onTestFinished, test } from "vitest";
import { createLog, decisionLog, grpcLogger, installGrpcLogger, type Log, recordLog } from "./log.ts";

function capture(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    log: createLog({ name: "order", level: "debug", destination: { write: (line) => lines.push(line) } }),
  };
}

function only(lines: readonly string[]): Record<string, unknown> {
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? "") as Record<string, unknown>;
}

test("writes one JSON object a line, with name, level in words and ISO time", () => {
  const { log, lines } = capture();
  log.info({ port: 1 }, "listening");
  expect(only(lines)).toEqual({
    level: "info",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u) as string,
    name: "order",
    port: 1,
    msg: "listening",
  });
});

test("writes no secret by name, in fields, children and errors", () => {
  const { log, lines } = capture();
  const error = Object.assign(new Error("failed"), { request: { headers: { authorization: "canary" } } });
  log.child({ token: "canary" }).info(
    {
      headers: { "x-api-key": "canary", "x-signature": "canary", "x-nonce": "canary" },
      secret: "canary",
      err: error,
    },
    "m",
  );
  expect(lines.join("")).not.toContain("canary");
  expect(only(lines)).toMatchObject({ token: "[redacted]", secret: "[redacted]", err: { message: "failed" } });
});

test("writes no secret by shape, in the message, its parameters and an error in its place", () => {
  const { log, lines } = capture();
  log.info("key sk-live-abc-canary");
  log.info("key %s", "sk-live-abc-canary");
  log.error(Object.assign(new Error("key sk-live-abc-canary"), { body: "canary" }));
  expect(lines).toHaveLength(3);
  expect(lines.join("")).not.toContain("canary");
});

test("keeps what a caller sent within one line of printable ASCII, and unchanged for whoever parses it", () => {
  const { log, lines } = capture();
  const hostile = 'a\n{"level":"info"}\r\u001b[31m\u009b2J\u2028\u202e"\\😀\ud800';
  log.info({ [hostile]: hostile }, hostile);
  expect(lines[0]).toMatch(/^[\x20-\x7e]+\n$/u);
  expect(only(lines)).toMatchObject({ [hostile]: hostile, msg: hostile });
});

test("keeps the value of a header that grpc-js rejects out of the log", () => {
  const { log, lines } = capture();
  installGrpcLogger(log);
  try {
    grpc.Metadata.fromHttp2Headers({ "x-good": "fine", "x-signature": "canary\u00e9" });
  } finally {
    grpc.setLogger(console);
  }
  expect(only(lines)).toMatchObject({ level: "error", log: "grpc" });
  expect(lines[0]).toContain("Failed to add metadata entry x-signature");
  expect(lines[0]).not.toContain("canary");
});

test("writes no trace of grpc-js, which would print metadata whole", () => {
  const { log, lines } = capture();
  grpcLogger(log).debug?.('received headers {"x-nonce":["canary"]}');
  expect(lines).toEqual([]);
});

test("passes other messages of grpc-js on", () => {
  const { log, lines } = capture();
  grpcLogger(log).error?.("E", "something");
  expect(only(lines)).toMatchObject({ log: "grpc", msg: "E something" });
});

test.each(["warn", "error", "silent"])("writes records at level %s too, and nothing else below it", (level) => {
  const lines: string[] = [];
  const log = createLog({ name: "order", level, destination: { write: (line) => lines.push(line) } });
  log.info("nothing");
  recordLog(log, "token").info({ token: "canary" }, "token");
  expect(only(lines)).toMatchObject({ level: "info", log: "token", token: "[redacted]" });
});

test("writes decisions at any level, with all that they say and a time of the log's own", () => {
  const lines: string[] = [];
  const log = createLog({ name: "örder", level: "silent", destination: { write: (line) => lines.push(line) } });
  const event: DecisionEvent = {
    time: new Date(0),
    method: "/order.v1.OrderService/GetOrder" as Printable,
    outcome: "allowed",
    credentials: ["BEARER" as Printable],
    credentialIds: ["a-token's-id" as Printable],
    rule: "BEARER read:orders" as Printable,
    latencyMs: 0.5,
  };
  decisionLog(log)(event);
  const { time: _, ...said } = event;
  recordLog(log, "token").info(said, "decision");
  const [decision = "", record = ""] = lines.map((line) => line.replace(/"time":"20[\d-]+T[\d:.]+Z"/u, ""));
  expect(decision).toBe(record.replace('"log":"token"', '"log":"decision"'));
  expect(decision).toMatch(/^[\x20-\x7e]+\n$/u);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ ...said, level: "info", name: "örder", log: "decision" });
});

test("writes no decisions to a log whose lines are somebody else's", () => {
  expect(() => decisionLog(capture().log.child({}))).toThrow("a log of createLog()");
});

test("has written to standard output all that was said when the event loop goes on", () => {
  const folder = mkdtempSync(join(tmpdir(), "log-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "stdout");
  const script = `
    import { readFileSync } from "node:fs";
    import { createLog } from "${new URL("./log.ts", import.meta.url).href}";
    const log = createLog({ name: "order" });
    setImmediate(() => {
      for (const text of ["one", "two"]) log.info(text);
      queueMicrotask(() => process.stderr.write(readFileSync(${JSON.stringify(file)})));
    });`;
  const stdout = openSync(file, "w");
  const args = ["--conditions=source", "--input-type=module", "-e", script];
  const { stderr } = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", stdout, "pipe"] });
  closeSync(stdout);
  expect(stderr.match(/"msg":"\w+"/gu)).toEqual(['"msg":"one"', '"msg":"two"']);
});

test("writes to standard output what was said last before the process ends, and in order", () => {
  const script = `
    import { createLog } from "${new URL("./log.ts", import.meta.url).href}";
    const log = createLog({ name: "order" });
    for (let index = 0; index < 1_000; index += 1) log.info({ index }, "x".repeat(100));
    log.fatal("the last one");
    process.exit(1);`;
  const { stdout, status } = spawnSync(process.execPath, ["--conditions=source", "--input-type=module", "-e", script], {
    encoding: "utf8",
    maxBuffer: 10_000_000,
  });
  expect(status).toBe(1);
  const lines = stdout.trimEnd().split("\n");
  const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(said.slice(0, -1).map(({ index }) => index)).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  expect(said.at(-1)).toMatchObject({ level: "fatal", msg: "the last one" });
});

describe.runIf(existsSync("/dev/full"))("standard output that takes no lines", () => {
  /** Decides on calls, and tells what became of each decision. */
  const deciding = `
    import { createLog, decisionLog, takesLines } from "${new URL("./log.ts", import.meta.url).href}";
    const log = createLog({ name: "order" });
    const record = decisionLog(log);
    const decide = (outcome) => {
      try {
        record({ time: new Date(), method: "/a.B/C", outcome, credentials: [], credentialIds: [], latencyMs: 1 });
        return "on record";
      } catch ({ message, cause }) {
        return message + ": " + cause.code;
      }
    };`;
  const args = (script: string) => ["--conditions=source", "--input-type=module", "-e", `${deciding}${script}`];
  const lines = `
    log.info("a line");
    const said = [decide("refused"), decide("allowed"), decide("allowed")];
    setImmediate(() => process.stderr.write([...said, takesLines(log)].join()));`;
  const no = (code: string) => `on record,${`standard output takes no lines: ${code},`.repeat(2)}false`;

  test("refuses who would be let in where the disk is full, and the process lives", () => {
    const full = openSync("/dev/full", "w");
    const { stderr, status } = spawnSync(process.execPath, args(lines), {
      encoding: "utf8",
      stdio: ["ignore", full, "pipe"],
    });
    closeSync(full);
    expect([stderr, status]).toEqual([no("ENOSPC"), 0]);
  });

  test("refuses who would be let in where the reader is gone, and the process lives", async () => {
    const child = spawn(process.execPath, args(`process.stdin.resume().on("end", () => {${lines}});`));
    onTestFinished(() => void child.kill());
    child.stdout.destroy();
    child.stdin.end();
    const ended = once(child, "exit");
    expect([await text(child.stderr), await ended]).toEqual([no("EPIPE"), [0, null]]);
  });

  test("lets in again as soon as there is room, and has not kept whatever was said until then", () => {
    const folder = mkdtempSync(join(tmpdir(), "log-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "stdout");
    const script = `
      import { execFileSync } from "node:child_process";
      const said = new Set();
      for (let count = 0; count < 1_000 && said.size < 2; count += 1) said.add(decide("allowed"));
      for (let count = 0; count < 3_000; count += 1) log.info("x".repeat(1_000));
      execFileSync("prlimit", ["--fsize=unlimited", "--pid", String(process.pid)]);
      process.stderr.write([...said, decide("allowed"), takesLines(log)].join());`;
    const stdout = openSync(file, "a");
    const limited = ["-c", 'ulimit -S -f 8; exec "$0" "$@"', process.execPath, ...args(script)];
    const { stderr } = spawnSync("bash", limited, { encoding: "utf8", stdio: ["ignore", stdout, "pipe"] });
    closeSync(stdout);
    expect(stderr).toBe("on record,standard output takes no lines: EFBIG,on record,true");
    expect(statSync(file).size).toBeGreaterThan(1_000_000);
    expect(statSync(file).size).toBeLessThan(1_200_000);
  });
});
