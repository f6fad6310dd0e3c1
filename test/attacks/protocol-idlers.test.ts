import { once } from "node:events";
import type { Socket } from "node:net";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { type AttackCall, type AttackStream, grpcMessage } from "@zero-trust/testkit";
import { expect } from "vitest";
import { attackerOf, statusIn } from "./attackers.ts";
import { onTheWire } from "./call.ts";
import { bearerOf, payingCall } from "./credentials.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import { survivalOf } from "./survival.ts";
import { tally } from "./tally.ts";
import { slackMs } from "./within.ts";

const { createPayment, getPayment, reconcileTransactions } = PaymentService.method;
const { path } = onTheWire(getPayment);
/** How long a handshake, and a request, may take: what every service has. */
const [handshakeMs, firstMessageMs] = [5_000, 5_000];
const maxMessageBytes = 64 * 1024;
/** How many handshakes may be under way: one more, and the oldest is given up. */
const maxHandshakes = 100;
/** How many connections one workload may have. */
const maxConnections = 20;

const survives = survivalOf("payment");

let reading: Awaited<ReturnType<typeof readingCall>>;
const scenario = scenariosOn(async (stack) => {
  reading = await readingCall(stack);
});
const rightMessage = () => grpcMessage(onTheWire(getPayment, reading.message).bytes);

/** Opens connections, fifty at a time; one that is refused counts as closed. Gives how many are closed, at any time. */
async function openMany(count: number, open: () => Promise<{ readonly end: Promise<unknown> }>): Promise<() => number> {
  let closed = 0;
  for (let opened = 0; opened < count; opened += 50) {
    const batch = Array.from({ length: 50 }, () => open().catch(() => ({ end: Promise.resolve() })));
    for (const { end } of await Promise.all(batch)) {
      void end.then(() => {
        closed += 1;
      });
    }
  }
  return () => closed;
}

/** Resolves when a socket is closed; what comes in is thrown away. */
function closeOf(socket: Socket): { readonly end: Promise<unknown> } {
  return { end: socket.closed ? Promise.resolve() : once(socket.resume(), "close") };
}

scenario("P4", "connections that say nothing are closed, and newcomers are let in meanwhile", async (trial) => {
  await using outsider = attackerOf(trial.stack, "payment");
  await using stranger = attackerOf(trial.stack, "payment", "stranger");
  const connections = await trial.recordsSince("payment");
  const refused = async () => (await connections()).filter(({ log }) => log === "connection");
  const atLeast = async (count: number) =>
    await expect.poll(async () => (await refused()).length, { timeout: slackMs }).toBeGreaterThanOrEqual(count);
  const newcomer = async (what: string) => {
    const { status } = await trial.call(getPayment, reading);
    trial.observe(`${what}: a newcomer meanwhile`, "OK", status);
  };
  const observeClosed = async (what: string, closed: () => number, least: number, waitMs: number) => {
    const isMet = await expect
      .poll(closed, { timeout: waitMs })
      .toBeGreaterThanOrEqual(least)
      .then(
        () => true,
        () => false,
      );
    trial.observe(what, "closed", isMet ? "closed" : `${closed()} of 1 000 were closed`);
  };

  await survives(trial, "1 000 connections without a handshake", async () => {
    const closed = await openMany(1_000, async () => closeOf(await outsider.tcp()));
    // All of them have come: of those that come after a newcomer a hundred would be enough to have it given up.
    await atLeast(1_000 - maxHandshakes);
    await newcomer("1 000 connections without a handshake");
    await observeClosed("1 000 connections without a handshake", closed, 1_000, handshakeMs + slackMs);
  });
  await atLeast(1_000);

  await survives(trial, "1 000 connections of one workload without a call", async () => {
    const silent = await openMany(500, async () => closeOf(await stranger.tls()));
    const streamless = await openMany(500, async () => ({ end: (await stranger.wire()).closed }));
    await newcomer("1 000 connections of one workload without a call");
    // The few that it may have are closed when they have been idle for long enough.
    const closed = () => silent() + streamless();
    await observeClosed("1 000 connections of one workload without a call", closed, 1_000 - maxConnections, slackMs);
  });
  console.log(`P4: ${tally((await refused()).map(({ cause }) => String(cause)))}`);
});

scenario("P5", "headers alone, half a message and a byte at a time are ended in time", async (trial) => {
  const half = grpcMessage(Buffer.alloc(500), { length: 1_000 });
  const unary: AttackCall = { path, body: [half], end: false };
  const { authorization = "" } = await bearerOf(trial.stack, "order-service", "payment", ["read:transactions"]);
  const streaming: AttackCall = {
    ...unary,
    path: onTheWire(reconcileTransactions).path,
    headers: [["authorization", authorization]],
  };
  const { metadata = {} } = await payingCall(trial.stack);
  const signed: AttackCall = {
    ...unary,
    path: onTheWire(createPayment).path,
    headers: Object.entries(metadata) as [string, string][],
  };
  await using insider = attackerOf(trial.stack, "payment", "order-service");
  const session = await insider.session();
  const large = grpcMessage(Buffer.alloc(maxMessageBytes - 10), { length: maxMessageBytes });
  await survives(trial, "all the halves of messages that a workload can send", async () => {
    const many: AttackStream[] = [];
    // Not over all of its connections, since it is order-service's name that is used here.
    for (let connection = 0; connection < maxConnections - 5; connection += 1) {
      const another = await insider.session();
      for (let call = 0; call < 90; call += 1) many.push(another.open({ ...unary, body: [large] }));
    }
    const trickle = session.open(unary);
    const timer = setInterval(() => trickle.write(Buffer.of(0x78)), 100);
    const calls: readonly (readonly [what: string, calls: readonly AttackStream[]])[] = [
      ["a message that comes a byte at a time", [trickle]],
      ["headers and no message", Array.from({ length: 30 }, () => session.open({ ...unary, body: [] }))],
      ["half a message", Array.from({ length: 30 }, () => session.open(unary))],
      ["half a message of a stream", Array.from({ length: 30 }, () => session.open(streaming))],
      ["half a message, signed", [session.open(signed)]],
      ["1 350 times 64 kB of a message over 15 connections", many],
    ];
    for (const [what, opened] of calls) {
      const answers = await Promise.all(opened.map((call) => call.answer));
      const late = answers.filter(({ tookMs }) => tookMs > firstMessageMs + slackMs);
      trial.observe(what, "DEADLINE_EXCEEDED", [...new Set(answers.map(statusIn))].join(", "));
      expect(late, `${what}: ended too late`).toEqual([]);
    }
    clearInterval(timer);
  });
  const right = await session.call({ path, body: [rightMessage()] });
  trial.observe("a whole message on the same connection", "OK", statusIn(right));
});

scenario("P9", "a request that has no deadline, or an absurd one, is ended when the server says", async (trial) => {
  await using insider = attackerOf(trial.stack, "payment", "order-service");
  const session = await insider.session();
  // The message is whole, and its end never comes.
  const answers = ["none", "99999999H", "999999999S", "1e9S", "1S1S"].map(async (deadline) => {
    const headers = deadline === "none" ? [] : ([["grpc-timeout", deadline]] as const);
    const answer = await session.call({ path, headers, body: [rightMessage()], end: false });
    return [deadline, answer] as const;
  });
  for (const [deadline, answer] of await Promise.all(answers)) {
    trial.observe(`the deadline ${deadline}`, "DEADLINE_EXCEEDED", statusIn(answer));
    expect(answer.tookMs).toBeLessThan(firstMessageMs + slackMs);
  }
  const right = await session.call({ path, body: [rightMessage()] });
  trial.observe("the same, ended", "OK", statusIn(right));
});
