import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Metadata, status } from "@grpc/grpc-js";
import { identityFromMemory, type MutualTlsChannels, mutualTlsChannels, type TlsMaterial } from "@zero-trust/mtls";
import { createClient, RpcError } from "@zero-trust/rpc";
import { createCa, PingService } from "@zero-trust/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { slowWire } from "./slow-wire.ts";

/** So that there are always calls on their way to a server that has just said that it closes. */
const wireMs = 5;

const main = new URL("ping-service.ts", import.meta.url).pathname;
let folder: string;
let caller: TlsMaterial;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "shutdown-"));
  const ca = await createCa();
  const { cert, key, ca: root } = await ca.issue({ spiffeId: "spiffe://production.internal/ping" });
  writeFileSync(join(folder, "tls.crt"), cert);
  writeFileSync(join(folder, "tls.key"), key, { mode: 0o600 });
  writeFileSync(join(folder, "ca.crt"), root);
  const spiffeId = "spiffe://production.internal/caller";
  const grants = [{ spiffeId, client: "caller", scopes: ["read:test"] }];
  writeFileSync(join(folder, "grants.json"), JSON.stringify({ grants }));
  caller = await ca.issue({ spiffeId });
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Service extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly port: number;
  /** Its exit code, and how many calls its handlers have seen. */
  readonly ended: Promise<{ readonly code: number | null; readonly handled: number }>;
}

async function startService(port = 0): Promise<Service> {
  const child = spawn(process.execPath, ["--conditions=source", main], {
    env: {
      PATH: process.env["PATH"],
      ZT_PORT: String(port),
      ZT_TLS_DIR: folder,
      ZT_GRANTS_FILE: join(folder, "grants.json"),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const listening = Promise.withResolvers<number>();
  const counted = { handled: Number.NaN };
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { msg, port: bound, handled } = JSON.parse(line) as Record<string, unknown>;
      if (msg === "listening") listening.resolve(Number(bound));
      if (msg === "handled") counted.handled = Number(handled);
    }
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, ...counted }));
  void ended.then(() => listening.reject(new Error("It did not start.")));
  return {
    child,
    port: await listening.promise,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

interface Tally {
  started: number;
  ok: number;
  readonly failed: Map<string, number>;
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Calls of all four kinds over several connections, one after the other in each of many loops, until it is stopped. */
function load(port: number, options: { readonly waitForReady: boolean }) {
  const tally: Tally = { started: 0, ok: 0, failed: new Map() };
  let running = true;
  const channels: MutualTlsChannels[] = [];
  const loops: Promise<void>[] = [];
  /** How many calls of each loop have ended well. */
  const progress: number[] = [];
  const metadata = new Metadata({ waitForReady: options.waitForReady });

  async function count(number: number, call: () => Promise<unknown>): Promise<void> {
    tally.started += 1;
    try {
      await call();
      tally.ok += 1;
      progress[number] = (progress[number] ?? 0) + 1;
    } catch (error) {
      const name = error instanceof RpcError ? `${status[error.code]} ${error.message}` : String(error);
      tally.failed.set(name, (tally.failed.get(name) ?? 0) + 1);
      // A caller whose call has failed does not come again at once.
      await setTimeout(10);
    }
  }
  async function loop(call: () => Promise<unknown>): Promise<void> {
    const number = progress.push(0) - 1;
    while (running) await count(number, call);
  }

  for (let connection = 0; connection < 4; connection += 1) {
    const opened = mutualTlsChannels({
      identity: identityFromMemory(caller),
      target: `127.0.0.1:${port}`,
      serverId: "spiffe://production.internal/ping",
    });
    channels.push(opened);
    const ping = createClient(PingService, opened, { timeoutMs: 60_000 });
    const requests = async function* <T>(message: (index: number) => T) {
      for (let index = 0; index < 20; index += 1) {
        // A stream that takes its time, so that the end of the server falls into it.
        await setTimeout(10);
        yield message(index);
      }
    };
    const expectCount = (found: number) => {
      if (found !== 20) throw new Error(`${found} of 20 messages`);
    };
    const calls: readonly (readonly [count: number, call: () => Promise<unknown>])[] = [
      [4, () => ping.ping({ text: "0" }, { metadata })],
      [4, () => ping.ping({ text: String(Math.floor(Math.random() * 200)) }, { metadata })],
      [2, async () => expectCount((await all(ping.pingMany({ count: 20 }, { metadata }))).length)],
      [
        2,
        async () =>
          expectCount(
            (
              await ping.pingSum(
                requests((index) => ({ value: index + 1 })),
                { metadata },
              )
            ).count,
          ),
      ],
      [
        2,
        async () =>
          expectCount(
            (
              await all(
                ping.pingEach(
                  requests((i) => ({ text: `${i}` })),
                  { metadata },
                ),
              )
            ).length,
          ),
      ],
    ];
    for (const [times, call] of calls) for (let n = 0; n < times; n += 1) loops.push(loop(call));
  }
  return {
    tally,
    /** Resolves when every loop, and so every connection, has come further. */
    async everyLoopMoves() {
      const before = [...progress];
      const moved = () => progress.every((count, number) => count > (before[number] ?? 0) + 2);
      await expect.poll(moved, { timeout: 60_000 }).toBe(true);
    },
    async stop() {
      running = false;
      await Promise.all(loops);
    },
    [Symbol.dispose]() {
      running = false;
      for (const each of channels) each.close();
    },
  };
}

const summary = ({ tally }: ReturnType<typeof load>, handled: number) =>
  `started ${tally.started}, ok ${tally.ok}, seen by handlers ${handled}, failed ${JSON.stringify([...tally.failed])}`;

test("SIGTERM under load loses no call that a handler has seen, and what it refuses is UNAVAILABLE", async () => {
  await using service = await startService();
  using wire = await slowWire(service.port, wireMs);
  using calls = load(wire.port, { waitForReady: false });
  await calls.everyLoopMoves();
  service.child.kill("SIGTERM");
  const { code, handled } = await service.ended;
  await calls.stop();
  console.log(summary(calls, handled));
  expect(code).toBe(0);
  expect(calls.tally.ok).toBe(handled);
  for (const name of calls.tally.failed.keys()) expect(name).toMatch(/^UNAVAILABLE /u);
}, 120_000);

test("no call fails over restarts under load where callers wait until it is ready", async () => {
  let service = await startService();
  using wire = await slowWire(service.port, wireMs);
  using calls = load(wire.port, { waitForReady: true });
  let handled = 0;
  for (let restart = 0; restart < 3; restart += 1) {
    // A call that was on its way is sent once more by grpc-js, and not a third time.
    await calls.everyLoopMoves();
    service.child.kill("SIGTERM");
    const end = await service.ended;
    expect(end.code).toBe(0);
    handled += end.handled;
    service = await startService(service.port);
  }
  await using last = service;
  await calls.everyLoopMoves();
  await calls.stop();
  last.child.kill("SIGTERM");
  handled += (await last.ended).handled;
  console.log(summary(calls, handled));
  const { started, ok, failed } = calls.tally;
  expect({ ok, failed: [...failed] }).toEqual({ ok: started, failed: [] });
  expect(handled).toBe(ok);
}, 180_000);
