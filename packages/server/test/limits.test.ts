import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { Credential, definePolicy } from "@zero-trust/auth";
import { hmac, memoryNonceStore } from "@zero-trust/auth/server";
import { createClient } from "@zero-trust/rpc";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import { afterEach, beforeAll, expect, test } from "vitest";
import { Health as HealthService } from "../src/gen/health/v1/health_pb.ts";
import type { ServeOptions } from "../src/serve.ts";
import { service } from "../src/service.ts";
import {
  createTrustDomain,
  failureOf,
  type PingServing,
  pingProtect,
  servePing,
  type TrustDomain,
} from "./ping-serving.ts";
import { rawCall, rawSession, statusOf } from "./raw-http2.ts";

let domain: TrustDomain;
beforeAll(async () => {
  domain = await createTrustDomain();
});

const servings: PingServing[] = [];
const sessions: ClientHttp2Session[] = [];
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  for (const serving of servings.splice(0)) await serving[Symbol.asyncDispose]();
});
async function start(options: Partial<ServeOptions> = {}): Promise<PingServing> {
  const serving = await servePing(domain, options);
  servings.push(serving);
  return serving;
}
async function sessionTo({ port }: PingServing): Promise<ClientHttp2Session> {
  const session = await rawSession(port, domain.caller);
  sessions.push(session);
  return session;
}

const pingPath = `/${PingService.typeName}/Ping`;
/** A PingRequest without a text, in its frame. */
const emptyMessage = Buffer.alloc(5);

async function answersPing(session: ClientHttp2Session): Promise<number | undefined> {
  const call = rawCall(session, pingPath);
  call.end(emptyMessage);
  return await statusOf(call);
}

/** Until the server has read what was sent. */
const roundTrip = (session: ClientHttp2Session) =>
  new Promise<void>((resolve, reject) => {
    if (session.destroyed || !session.ping((error) => (error ? reject(error) : resolve())))
      reject(new Error("The connection is closed."));
  });

test("1 500 calls cancelled, 99 at a time, leave another call on their connection alone", async () => {
  const serving = await start();
  const session = await sessionTo(serving);
  const other = rawCall(session, pingPath);
  for (let cancelled = 0; cancelled < 1_500; cancelled += 99) {
    const calls = Array.from({ length: 99 }, () => rawCall(session, pingPath));
    await roundTrip(session);
    for (const call of calls) call.close(8);
    await roundTrip(session);
  }
  other.end(emptyMessage);
  expect(await statusOf(other)).toBe(grpc.status.OK);
  expect(await answersPing(session)).toBe(grpc.status.OK);
});

test("a flood of calls that are begun and cancelled costs its connection, and no other a call", async () => {
  // The workload that floods is the one that is to be served: what it may call is not what is tried here.
  const peer = { perSecond: 1_000_000, burst: 1_000_000 };
  const serving = await start({ protect: { ...pingProtect, limits: { peer, client: peer } } });
  const session = await sessionTo(serving);
  const ping = serving.ping();
  // `once` would reject with the session's error, which is what we are after.
  const gone = new Promise((resolve) => session.once("close", resolve));
  const limit = 30_000;
  let sent = 0;
  let served = 0;
  while (sent < limit && !session.closed && !session.destroyed) {
    for (let call = 0; call < 100 && sent < limit && !session.destroyed; call += 1) {
      rawCall(session, pingPath).close(8);
      sent += 1;
    }
    await ping.ping({ text: "good" });
    served += 1;
  }
  await gone;
  console.log(`the connection was closed after ${sent} calls, in which ${served} of another were served`);
  expect(sent).toBeLessThan(5_000);
  expect(await ping.ping({ text: "good" })).toMatchObject({ text: "good" });
});

test("says what it takes: 100 streams a connection, 16 KiB of metadata a call", async () => {
  const { remoteSettings } = await sessionTo(await start());
  expect(remoteSettings).toMatchObject({ maxConcurrentStreams: 100, maxHeaderListSize: 16 * 1024 });
});

test.each([
  ["in all", { "x-large": "a".repeat(70_000) }],
  ["one entry beyond the limit in bytes", { "x-large": "a".repeat(16 * 1024) }],
  ["in entries", Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`x-${index}`, "a"]))],
])("refuses metadata that is too much %s, to a client that does not care what it may send", async (_, headers) => {
  const serving = await start();
  const session = await sessionTo(serving);
  const call = rawCall(session, pingPath, headers);
  call.end(emptyMessage);
  expect(await statusOf(call)).not.toBe(grpc.status.OK);
  expect(serving.records("decision")).toEqual([]);
  // Another connection is not touched, and nor is this one, unless it is closed.
  expect(await answersPing(await sessionTo(serving))).toBe(grpc.status.OK);
  const same = session.closed || session.destroyed ? "closed" : await answersPing(session);
  expect(["closed", grpc.status.OK]).toContain(same);
});

test("takes metadata within the limits", async () => {
  const session = await sessionTo(await start());
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`x-${index}`, "a".repeat(200)]));
  const call = rawCall(session, pingPath, many);
  call.end(emptyMessage);
  expect(await statusOf(call)).toBe(grpc.status.OK);
});

test("ends a connection that is idle, and not one with a call", async () => {
  const serving = await start({ limits: { connectionIdleMs: 200 } });
  const busy = await sessionTo(serving);
  const watch = rawCall(busy, `/${HealthService.typeName}/Watch`);
  watch.end(emptyMessage);
  await once(watch, "data");
  const idle = await sessionTo(serving);
  const [code] = (await once(idle, "goaway")) as [number];
  expect(code).toBe(0);
  await once(idle, "close");
  expect(busy.closed).toBe(false);
});

test("ends a connection by its age: first new calls, then those that still run", async () => {
  const serving = await start({ limits: { connectionAgeMs: 200, connectionAgeGraceMs: 200 } });
  const session = await sessionTo(serving);
  const call = rawCall(session, pingPath);
  let ended = false;
  call.once("close", () => {
    ended = true;
  });
  await once(session, "goaway");
  expect(ended).toBe(false);
  await once(session, "close");
  expect(ended).toBe(true);
});

test.each(["idle", "closing"])("is rid of a peer that does not hang up when it is %s", async (why) => {
  const serving = await start(why === "idle" ? { limits: { connectionIdleMs: 200 } } : {});
  const { cert, key, ca } = domain.caller;
  const socket = connectTcp({ port: serving.port, host: "127.0.0.1", allowHalfOpen: true });
  const options = { cert, key, ca, servername: "ping.production.internal", ALPNProtocols: ["h2"] };
  // Our half stays open whatever the server does.
  const peer = connectTls({ socket, ...options, allowHalfOpen: true } as never).on("error", () => {});
  const cutOff = new Promise((resolve) => socket.once("close", resolve));
  // The server's settings: for it, too, the handshake is over.
  await once(peer, "data");
  peer.resume();
  if (why === "closing") await serving.close();
  else await once(peer, "end");
  // It can still be written to: the other side must have let it go.
  const writing = setInterval(() => peer.write("still here"), 50);
  await cutOff;
  clearInterval(writing);
  expect(socket.destroyed).toBe(true);
});

test("ends a call whose request never comes, and says in the log that it was never decided", async () => {
  const rules = [{ credentials: [Credential.HMAC], scopes: [] }];
  const policy = definePolicy(PingService, {
    ping: rules,
    pingMany: rules,
    pingSum: [{ credentials: [Credential.MTLS], scopes: [] }],
    pingEach: [{ credentials: [Credential.MTLS], scopes: [] }],
  });
  const signatures = hmac({ keys: { find: () => undefined }, nonces: memoryNonceStore(), audience: "https://ping" });
  const serving = await start({
    services: [service(PingService, pingHandlers(), { policy })],
    protect: {
      trustDomain: "production.internal",
      grants: { current: () => new Map() },
      credentials: [signatures],
    },
    limits: { firstMessageMs: 200 },
  });
  const call = rawCall(await sessionTo(serving), pingPath, {
    "x-api-key": "hk-00000000",
    "x-timestamp": String(Math.floor(Date.now() / 1000)),
    "x-nonce": "0123456789abcdef",
    "x-signature": "0".repeat(64),
  });
  // Half of a message, for ever.
  call.write(Buffer.from([0, 0, 0, 0, 9, 1]));
  expect(await statusOf(call)).toBe(grpc.status.DEADLINE_EXCEEDED);
  await expect.poll(() => serving.records("decision")).toMatchObject([{ method: pingPath, outcome: "abandoned" }]);
});

test("ends a unary call that takes too long, and leaves streams alone", async () => {
  const serving = await start({ limits: { unaryMs: 200 } });
  const health = createClient(HealthService, serving.channels());
  const watch = health.watch({ service: "" })[Symbol.asyncIterator]();
  await watch.next();
  const { code } = await failureOf(serving.ping().ping({ text: "wait" }));
  expect(code).toBe(grpc.status.DEADLINE_EXCEEDED);
  const next = watch.next();
  const closed = serving.close();
  expect(await next).toMatchObject({ done: false });
  expect(await watch.next()).toMatchObject({ done: true });
  serving.waiting.release();
  await closed;
});
