import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the body of a service's `main` as a process of its own; sends the signals once it has logged "listening". */
async function run(
  body: string,
  options: { env?: Record<string, string>; signals?: readonly NodeJS.Signals[]; closeTimeoutMs?: number } = {},
): Promise<Run> {
  const script = `import { runService } from ${JSON.stringify(new URL("run-service.ts", import.meta.url).href)};
    await runService("order", async (log) => { ${body} }, ${JSON.stringify({ closeTimeoutMs: options.closeTimeoutMs })});`;
  const child = spawn(process.execPath, ["--conditions=source", "--input-type=module", "-e", script], {
    cwd: import.meta.dirname,
    env: { PATH: process.env["PATH"], ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const signals = [...(options.signals ?? [])];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
    // One signal an answer: the first when it listens, the next when it says that it closes.
    while (signals.length > 0 && stdout.split("\n").length > (options.signals?.length ?? 0) - signals.length + 1) {
      child.kill(signals.shift());
    }
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

const listening = `log.info("listening"); const alive = setInterval(() => {}, 1000);`;

test.each(["SIGTERM", "SIGINT"] as const)("closes on %s and exits with 0", async (signal) => {
  const { code, stdout, stderr } = await run(
    `${listening} return { close: async () => { log.info("drained"); clearInterval(alive); } };`,
    {
      signals: [signal],
    },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { msg: string }).msg),
  ).toEqual(["listening", "closing", "drained", "closed"]);
});

test("exits with 1, and says so, when it is not closed in time, though something keeps it alive", async () => {
  const { code, stdout } = await run(`${listening} return { close: () => new Promise(() => {}) };`, {
    signals: ["SIGTERM"],
    closeTimeoutMs: 100,
  });
  expect(code).toBe(1);
  expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({
    level: "fatal",
    msg: "not closed in time",
    timeoutMs: 100,
  });
});

test.each(["warn", "silent"])("says that it closes, whatever its level: %s", async (level) => {
  const { code, stdout } = await run(
    `${listening} process.kill(process.pid, "SIGTERM"); return { close: async () => {} };`,
    {
      env: { ZT_LOG_LEVEL: level },
    },
  );
  expect(code).toBe(0);
  const records = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(records).toMatchObject([
    { log: "lifecycle", msg: "closing", signal: "SIGTERM" },
    { log: "lifecycle", msg: "closed" },
  ]);
});

test("exits with 1 on a second signal", async () => {
  const { code } = await run(`${listening} return { close: () => new Promise(() => {}) };`, {
    signals: ["SIGTERM", "SIGTERM"],
  });
  expect(code).toBe(1);
});

test("says in one sentence why it could not start, without a stack and without secrets, and exits with 1", async () => {
  const { code, stdout, stderr } = await run(`throw new Error("The file tls.key\\nis missing: sk-live-abc-canary.");`);
  expect({ code, stdout, stderr }).toEqual({
    code: 1,
    stdout: "",
    stderr: "order: The file tls.key is missing: [redacted].\n",
  });
});

test("says in one sentence that its log level is wrong", async () => {
  const { code, stderr } = await run("", { env: { ZT_LOG_LEVEL: "loud" } });
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'order: ZT_LOG_LEVEL must be trace, debug, info, warn, error, fatal or silent; it is "loud".\n',
  });
});

test.each([
  ["an uncaught exception", `setImmediate(() => { throw new Error("lost"); });`],
  ["an unhandled rejection", `setImmediate(() => { void Promise.reject(new Error("lost")); });`],
])("logs %s as one line and exits with 1", async (name, body) => {
  const { code, stdout, stderr } = await run(
    `${body} const alive = setInterval(() => {}, 1000); return { close: async () => clearInterval(alive) };`,
  );
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({
    level: "fatal",
    msg: name.replace(/^an /u, ""),
    err: { message: "lost" },
  });
});
