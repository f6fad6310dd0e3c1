import { once } from "node:events";
import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import { type AttackStream, attacker, grpcMessage } from "@zero-trust/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Attacked, goodCall, path, pingMessage, startUnderAttack } from "./under-attack.ts";
import { slackMs, within } from "./within.ts";

const streamingPath = `${path}Sum`;
/** Short, so that nobody has to wait. */
const limits = { connectionIdleMs: 4_000, firstMessageMs: 1_000, unaryMs: 2_000, maxMessageBytes: 64 * 1024 };
/** The default: nobody says anything that could be given a limit. */
const handshakeTimeoutMs = 5_000;

// Far from what is needed, for machines that do something else.
vi.setConfig({ testTimeout: 90_000 });

let attacked: Attacked;
beforeAll(async () => {
  attacked = await startUnderAttack({ limits });
});
afterAll(() => attacked[Symbol.asyncDispose]());

test("P4: 1 000 connections that say nothing are closed, and newcomers are let in meanwhile", async () => {
  const { survives, outsider, insider, service } = attacked;
  const since = service.written;
  await survives("P4 TCP only", async () => {
    const closed = await openMany(1_000, async () => closeOf(await outsider.tcp()));
    expect(await insider.call(goodCall)).toMatchObject({ status: status.OK });
    expect(await within(handshakeTimeoutMs + slackMs, Promise.all(closed))).toBe(true);
  });
  await expect.poll(() => service.records("connection", since).length, { timeout: slackMs }).toBe(1_000);
  console.log("P4 TCP only:", tally(service.records("connection", since).map(({ cause }) => String(cause))));
});

test("P4: 1 000 connections that open no stream are closed, and newcomers are let in meanwhile", async () => {
  const { survives, stranger, insider, service } = attacked;
  const since = service.written;
  await survives("P4 no stream", async () => {
    const withoutPreface = await openMany(500, async () => closeOf(await stranger.tls()));
    const withoutStream = await openMany(500, async () => ({ end: (await stranger.wire()).closed }));
    expect(await insider.call(goodCall)).toMatchObject({ status: status.OK });
    const closed = Promise.all([...withoutPreface, ...withoutStream]);
    expect(await within(limits.connectionIdleMs + slackMs, closed)).toBe(true);
  });
  console.log("P4 no stream:", tally(service.records("connection", since).map(({ cause }) => String(cause))));
});

test("P5: headers alone, half a message and a byte at a time are ended in time", async () => {
  const { survives, insider } = attacked;
  const { handled } = await survives("P5", async () => {
    const session = await insider.session();
    const half = pingMessage("x".repeat(1_000)).subarray(0, 500);
    const open = (method: string, body: readonly Buffer[]) => session.open({ path: method, body, end: false });
    const trickle = open(path, [half]);
    const timer = setInterval(() => trickle.write(Buffer.of(0x78)), 100);
    const kinds = () => [open(path, []), open(path, [half]), open(streamingPath, [half])];
    const calls = [trickle, ...Array.from({ length: 30 }, kinds).flat()];
    const answers = await Promise.all(calls.map((call) => call.answer));
    clearInterval(timer);
    for (const answer of answers) expect(answer.status).toBe(status.DEADLINE_EXCEEDED);
    for (const answer of answers) expect(answer.tookMs).toBeLessThan(limits.firstMessageMs + slackMs);
  });
  expect(handled).toBe(0);
});

test("P5: all the halves of messages that one workload can send are a bounded number of bytes", async () => {
  const { survives, service, insiderTls } = attacked;
  await survives("P5 many", async () => {
    await using insider = attacker({ host: "127.0.0.1", port: service.port, tls: insiderTls });
    const half = grpcMessage(Buffer.alloc(limits.maxMessageBytes - 10), { length: limits.maxMessageBytes });
    const opened: AttackStream[] = [];
    for (let connection = 0; connection < 40; connection += 1) {
      const session = await insider.session();
      for (let call = 0; call < 90; call += 1) opened.push(session.open({ path, body: [half], end: false }));
    }
    const answers = await Promise.all(opened.map((call) => call.answer));
    const codes = tally(answers.map(({ status: code }) => (code === undefined ? "no connection" : String(code))));
    console.log("P5 many:", codes);
    expect(answers.filter((answer) => answer.status === status.OK)).toEqual([]);
  });
});

test("P9: without a deadline, or with an absurd one, the server's own holds", async () => {
  const { survives, insider, service } = attacked;
  await survives("P9", async () => {
    const session = await insider.session();
    const deadlines = [undefined, "99999999H", "999999999S", "1e9S", "1S1S"];
    const answers = await Promise.all(
      deadlines.map((deadline) => {
        const headers = deadline === undefined ? [] : ([["grpc-timeout", deadline]] as const);
        return session.call({ path, headers, body: [pingMessage("wait")] });
      }),
    );
    for (const answer of answers) expect(answer.status).toBe(status.DEADLINE_EXCEEDED);
    for (const answer of answers) expect(answer.tookMs).toBeLessThan(limits.unaryMs + slackMs);
  });
  // The handlers were told, too.
  await expect.poll(async () => (await service.figures()).running).toBe(0);
});

/** Opens connections, fifty at a time; one that is refused counts as closed. Gives the promises of their ends. */
async function openMany(
  count: number,
  open: () => Promise<{ readonly end: Promise<unknown> }>,
): Promise<readonly Promise<unknown>[]> {
  const ends: Promise<unknown>[] = [];
  while (ends.length < count) {
    const batch = Array.from({ length: 50 }, () => open().catch(() => ({ end: Promise.resolve() })));
    for (const { end } of await Promise.all(batch)) ends.push(end);
  }
  return ends;
}

/** Resolves when a socket is closed; what comes in is thrown away. */
function closeOf(socket: Socket): { readonly end: Promise<unknown> } {
  return { end: socket.closed ? Promise.resolve() : once(socket.resume(), "close") };
}

/** How often each value is there. */
function tally(values: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Map.groupBy(values, (value) => value)
      .entries()
      .map(([value, all]) => [value, all.length]),
  );
}
