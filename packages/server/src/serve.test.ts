import { connect as connectTcp } from "node:net";
import * as grpc from "@grpc/grpc-js";
import type { DecisionEvent } from "@zero-trust/auth";
import type { TlsMaterial } from "@zero-trust/mtls";
import { createClient } from "@zero-trust/rpc";
import { createCa, PingService, pingHandlers } from "@zero-trust/testkit";
import { afterEach, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { createTrustDomain, failureOf, type PingServing, servePing, type TrustDomain } from "../test/ping-serving.ts";
import { ConfigError } from "./config.ts";
import { Health as HealthService, HealthCheckResponse_ServingStatus as Status } from "./gen/health/v1/health_pb.ts";
import { createLog, type LogDestination } from "./log.ts";
import type { ServeOptions } from "./serve.ts";
import { service } from "./service.ts";

let domain: TrustDomain;
beforeAll(async () => {
  domain = await createTrustDomain();
});

const servings: PingServing[] = [];
afterEach(async () => {
  for (const serving of servings.splice(0)) await serving[Symbol.asyncDispose]();
});
async function start(options: Partial<ServeOptions> = {}): Promise<PingServing> {
  const serving = await servePing(domain, options);
  servings.push(serving);
  return serving;
}

test("serves, says where, and leaves one decision a call in the log", async () => {
  const serving = await start();
  const text = "canary";
  expect(await serving.ping().ping({ text })).toMatchObject({ text });
  expect(JSON.parse(serving.lines[0] ?? "")).toMatchObject({ msg: "listening", port: serving.port, name: "ping" });
  expect(serving.records("decision")).toEqual([
    expect.objectContaining({
      method: "/zerotrust.testkit.v1.PingService/Ping",
      outcome: "allowed",
      peer: "spiffe://production.internal/caller",
      client: "caller",
      rule: "MTLS read:test",
      msg: "decision",
    }),
  ]);
  expect(serving.lines.join("")).not.toContain("canary");
});

test.each(["warn", "silent"])(
  "keeps the decisions, refused handshakes and where it listens at level %s",
  async (level) => {
    const lines: string[] = [];
    const log = createLog({ name: "ping", level, destination: { write: (line) => lines.push(line) } });
    const serving = await start({ log });
    await serving.ping().ping({ text: "a" });
    const foreign = await (await createCa()).issue({ spiffeId: "spiffe://production.internal/caller" });
    await failureOf(serving.ping({ ...foreign, ca: foreign.ca + domain.ca.ca }).ping({ text: "a" }));
    const messages = () => new Set(lines.map((line) => (JSON.parse(line) as Record<string, unknown>)["msg"]));
    await expect.poll(messages).toEqual(new Set(["listening", "decision", "handshake refused"]));
  },
);

test.each([
  ["rejects", () => Promise.reject(new Error("disk full"))],
  ["does not answer", () => new Promise<void>(() => undefined)],
])("lets nobody in while a decision that is kept elsewhere %s", async (_what, decisions) => {
  const serving = await start({ decisions });
  expect((await failureOf(serving.ping().ping({ text: "throw" }))).code).toBe(grpc.status.UNAVAILABLE);
  expect(serving.lines.some((line) => line.includes("handler failed"))).toBe(false);
  expect(serving.records("decision").at(-1)).toMatchObject({ outcome: "refused", reason: "CHECK_UNAVAILABLE" });
});

const full: LogDestination = {
  write: () => undefined,
  writeOut() {
    throw new Error("disk full");
  },
};

test("lets nobody in whose decision its log does not take", async () => {
  const serving = await start({ log: createLog({ name: "ping", destination: full }) });
  expect((await failureOf(serving.ping().ping({ text: "a" }))).code).toBe(grpc.status.UNAVAILABLE);
});

test("lets in whose decision is kept elsewhere, whatever its log takes", async () => {
  const kept: DecisionEvent[] = [];
  const serving = await start({
    log: createLog({ name: "ping", destination: full }),
    decisions: (event) => void kept.push(event),
  });
  expect(await serving.ping().ping({ text: "a" })).toMatchObject({ text: "a" });
  expect(kept).toMatchObject([{ outcome: "allowed" }]);
});

test("refuses a peer without grants, and lets nothing reach the handler", async () => {
  const serving = await start();
  const { code } = await failureOf(serving.ping(domain.stranger).ping({ text: "throw" }));
  expect(code).toBe(grpc.status.PERMISSION_DENIED);
  expect(serving.lines.some((line) => line.includes("handler failed"))).toBe(false);
  expect(serving.records("decision")).toMatchObject([{ outcome: "refused", reason: "PEER_NOT_GRANTED" }]);
});

test("decides and logs calls to methods that are not registered, and does not echo their path", async () => {
  const serving = await start();
  const call = (material: TlsMaterial) => {
    const channel = serving.channels(material).channel();
    const client = new grpc.Client("ignored", grpc.credentials.createInsecure(), {
      channelOverride: channel,
    });
    return new Promise<grpc.ServiceError | null>((resolve) => {
      const bytes = (buffer: Buffer) => buffer;
      client.makeUnaryRequest("/admin.v1.Canary/Get", bytes, bytes, Buffer.alloc(0), (error) => resolve(error));
    });
  };
  const granted = await call(domain.caller);
  expect(granted).toMatchObject({ code: grpc.status.UNIMPLEMENTED, details: "The method is not implemented." });
  const refused = await call(domain.stranger);
  expect(refused?.code).toBe(grpc.status.PERMISSION_DENIED);
  expect(refused?.details).not.toContain("Canary");
  expect(serving.records("decision")).toMatchObject([
    { method: "/admin.v1.Canary/Get", outcome: "refused" },
    { method: "/admin.v1.Canary/Get", outcome: "refused", reason: "PEER_NOT_GRANTED" },
  ]);
});

test("says that it serves to peers that it knows, and to nobody else", async () => {
  const serving = await start();
  const health = createClient(HealthService, serving.channels());
  expect(await health.check({ service: "" })).toMatchObject({ status: Status.SERVING });
  expect(await health.check({ service: PingService.typeName })).toMatchObject({ status: Status.SERVING });
  expect((await failureOf(health.check({ service: "nobody" }))).code).toBe(grpc.status.NOT_FOUND);
  const unknown = createClient(HealthService, serving.channels(domain.stranger));
  expect((await failureOf(unknown.check({ service: "" }))).code).toBe(grpc.status.PERMISSION_DENIED);
});

test("answers who asks for its health while it cannot count calls, and no other call", async () => {
  const { protect } = (await start()).options;
  const store = { take: () => Promise.reject(new Error("canary")) };
  const serving = await start({ protect: { ...protect, limits: { store } } });
  const health = createClient(HealthService, serving.channels());
  expect(await health.check({ service: "" })).toMatchObject({ status: Status.SERVING });
  expect((await failureOf(serving.ping().ping({ text: "throw" }))).code).toBe(grpc.status.UNAVAILABLE);
  expect(serving.records("decision").at(-1)).toMatchObject({ reason: "CHECK_UNAVAILABLE", cause: "canary" });
});

test("counts calls to methods that are not registered", async () => {
  const { protect } = (await start()).options;
  const serving = await start({ protect: { ...protect, limits: { peer: { perSecond: 0.0001, burst: 2 } } } });
  const client = new grpc.Client("ignored", grpc.credentials.createInsecure(), {
    channelOverride: serving.channels().channel(),
  });
  const call = () =>
    new Promise((resolve) => {
      const bytes = (buffer: Buffer) => buffer;
      client.makeUnaryRequest("/admin.v1.Canary/Get", bytes, bytes, Buffer.alloc(0), (error) => resolve(error?.code));
    });
  const { UNIMPLEMENTED, RESOURCE_EXHAUSTED } = grpc.status;
  expect([await call(), await call(), await call()]).toEqual([UNIMPLEMENTED, UNIMPLEMENTED, RESOURCE_EXHAUSTED]);
});

test("answers INTERNAL without text when a handler fails, and logs why", async () => {
  const serving = await start();
  const error = await failureOf(serving.ping().ping({ text: "throw" }));
  expect({ code: error.code, message: error.message }).toEqual({
    code: grpc.status.INTERNAL,
    message: expect.not.stringContaining("canary") as string,
  });
  const failed = serving.lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .find(({ msg }) => msg === "handler failed");
  expect(failed).toMatchObject({ method: "/zerotrust.testkit.v1.PingService/Ping", err: { message: "canary" } });
});

test("refuses a message of more than 1 MiB, whatever the client's own limit", async () => {
  const serving = await start();
  const { ca: root, cert, key } = domain.caller;
  const credentials = grpc.credentials.createSsl(Buffer.from(root), Buffer.from(key), Buffer.from(cert));
  const client = new grpc.Client(`127.0.0.1:${serving.port}`, credentials, {
    "grpc.ssl_target_name_override": "ping.production.internal",
  });
  onTestFinished(() => client.close());
  const send = (size: number) =>
    new Promise<grpc.status | undefined>((resolve) => {
      const bytes = (buffer: Buffer) => buffer;
      client.makeUnaryRequest("/zerotrust.testkit.v1.PingService/Ping", bytes, bytes, Buffer.alloc(size), (error) =>
        resolve(error?.code),
      );
    });
  expect(await send(1024 * 1024 + 1)).toBe(grpc.status.RESOURCE_EXHAUSTED);
  // Zeros are no message, which is another matter.
  expect(await send(1024 * 1024)).toBe(grpc.status.INTERNAL);
});

test("logs a refused handshake, in the connection log and not in the decision log", async () => {
  const serving = await start();
  const foreign = await (await createCa()).issue({ spiffeId: "spiffe://production.internal/caller" });
  // It trusts the server and is not trusted by it.
  const { code } = await failureOf(serving.ping({ ...foreign, ca: foreign.ca + domain.ca.ca }).ping({ text: "a" }));
  expect(code).toBe(grpc.status.UNAVAILABLE);
  await expect.poll(() => serving.records("connection").length).toBeGreaterThan(0);
  expect(serving.records("connection")[0]).toMatchObject({ msg: "handshake refused", remoteAddress: "127.0.0.1" });
  expect(serving.records("decision")).toEqual([]);
  expect(await serving.ping().ping({ text: "a" })).toMatchObject({ text: "a" });
});

test("does not start with a method that has no policy, and names it", async () => {
  const started = start({ services: [service(PingService, pingHandlers())] });
  await expect(started).rejects.toThrow("/zerotrust.testkit.v1.PingService/Ping has no policy");
});

test("does not start on a port that is in use, and says so in one sentence", async () => {
  const { port } = await start();
  await expect(start({ port })).rejects.toEqual(
    new ConfigError(`Port 127.0.0.1:${port} is already in use; choose another with ZT_PORT.`),
  );
});

test("drains: tells watchers, lets running calls end, takes no new ones", async () => {
  const serving = await start();
  const ping = serving.ping();
  const statuses: Status[] = [];
  const watching = (async () => {
    for await (const { status } of createClient(HealthService, serving.channels()).watch({ service: "" })) {
      statuses.push(status);
    }
  })();
  await expect.poll(() => statuses).toEqual([Status.SERVING]);
  const running = ping.ping({ text: "wait" });
  await serving.waiting.begun;
  const closed = serving.close();
  await watching;
  expect(statuses).toEqual([Status.SERVING, Status.NOT_SERVING]);
  const refused = await new Promise((resolve) => {
    connectTcp(serving.port, "127.0.0.1").on("error", resolve);
  });
  expect(refused).toMatchObject({ code: "ECONNREFUSED" });
  serving.waiting.release();
  expect(await running).toMatchObject({ text: "wait" });
  await closed;
  expect((await failureOf(ping.ping({ text: "a" }))).code).toBe(grpc.status.UNAVAILABLE);
});

test("cuts off what does not end in time, and closes once however often it is asked", async () => {
  const serving = await start({ drainMs: 50 });
  const running = failureOf(serving.ping().ping({ text: "wait" }));
  await serving.waiting.begun;
  await Promise.all([serving.close(), serving.close()]);
  expect((await running).code).not.toBe(grpc.status.OK);
  expect(serving.lines.filter((line) => line.includes("cut off"))).toHaveLength(1);
});

test("health follows readiness, in both directions", async () => {
  let ready = false;
  const serving = await start({ readiness: { keys: () => ready } });
  const health = createClient(HealthService, serving.channels());
  const says = async (status: Status) => expect((await health.check({ service: "" })).status).toBe(status);
  await says(Status.NOT_SERVING);
  ready = true;
  await vi.waitFor(() => says(Status.SERVING), { timeout: 5_000 });
  ready = false;
  await vi.waitFor(() => says(Status.NOT_SERVING), { timeout: 5_000 });
});

test("a stream without an end outlives its connection's age by the grace, and no more", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const serving = await start();
    // Whose channels send no pings of their own: grpc-js would give up a connection that is closing on account of them.
    const channels = serving.channels(domain.caller);
    const watch = createClient(HealthService, channels, { timeoutMs: 60 * 60_000 })
      .watch({ service: "" })
      [Symbol.asyncIterator]();
    await watch.next();
    const ended = watch.next().then(
      () => "answered",
      () => "cut off",
    );
    const pass = async (minutes: number) => {
      for (let step = 0; step < minutes * 6; step += 1) {
        vi.advanceTimersByTime(10_000);
        // Real turns, in which the pings that keep the connection alive are answered.
        for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
      }
      return await Promise.race([ended, Promise.resolve("running")]);
    };
    // The age has a jitter of a tenth.
    expect(await pass(9)).toBe("running");
    expect(await pass(2)).toBe("cut off");
  } finally {
    vi.useRealTimers();
  }
});
