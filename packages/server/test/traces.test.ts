import * as grpc from "@grpc/grpc-js";
import { createClient } from "@zero-trust/rpc";
import { PingService } from "@zero-trust/testkit";
import {
  type CollectedSpan,
  type SpanCollector,
  scrape,
  startSpanCollector,
  valueIn,
} from "@zero-trust/testkit/telemetry";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createLog } from "../src/log.ts";
import { startTelemetry, type Telemetry, type TelemetryOptions } from "../src/telemetry/telemetry.ts";
import { createTrustDomain, failureOf, type PingServing, servePing, type TrustDomain } from "./ping-serving.ts";

let domain: TrustDomain;
beforeAll(async () => {
  domain = await createTrustDomain();
});

let collector: SpanCollector;
const opened: AsyncDisposable[] = [];
const lines: string[] = [];
beforeEach(async () => {
  collector = await startSpanCollector();
  lines.length = 0;
});
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each[Symbol.asyncDispose]();
  await collector[Symbol.asyncDispose]();
});

async function start(service: string, options: Partial<TelemetryOptions> = {}): Promise<Telemetry> {
  const log = createLog({ name: service, destination: { write: (line) => lines.push(line) } });
  const telemetry = await startTelemetry({ log, service, otlpEndpoint: collector.endpoint, ...options });
  opened.push({ [Symbol.asyncDispose]: () => telemetry.close() });
  return telemetry;
}
async function serving(telemetry: Telemetry): Promise<PingServing> {
  const started = await servePing(domain, { telemetry });
  opened.push(started);
  return started;
}
const clientOf = (server: PingServing, telemetry: Telemetry) =>
  createClient(PingService, telemetry.channels(server.channels()));
const find = (service: string, kind: CollectedSpan["kind"]) =>
  collector.spans.filter((span) => span.service === service && span.kind === kind);
const messages = () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg);

const ping = "zerotrust.testkit.v1.PingService/Ping";

test("a call is one trace: the caller's span, and the server's below it, with the decision", async () => {
  const [caller, server] = [await start("caller"), await start("ping")];
  await clientOf(await serving(server), caller).ping({ text: "canary" });
  await caller.close();
  await server.close();
  const [made] = find("caller", "client");
  expect(made).toMatchObject({ name: ping, parentSpanId: undefined, isError: false });
  expect(find("ping", "server")).toEqual([
    {
      service: "ping",
      kind: "server",
      name: ping,
      traceId: made?.traceId,
      spanId: expect.stringMatching(/^[0-9a-f]{16}$/u) as string,
      parentSpanId: made?.spanId,
      isError: false,
      attributes: {
        "rpc.system.name": "grpc",
        "rpc.method": ping,
        "rpc.status_code": "OK",
        "zt.decision.outcome": "allowed",
        "zt.peer": "spiffe://production.internal/caller",
        "zt.client": "caller",
        "zt.rule": "MTLS read:test",
      },
    },
  ]);
  expect(collector.received.join("")).not.toContain("canary");
});

test("a call that is refused has its reason, and one that fails is an error", async () => {
  const telemetry = await start("ping");
  const server = await serving(telemetry);
  await failureOf(server.ping(domain.stranger).ping({ text: "a" }));
  await failureOf(server.ping().ping({ text: "throw" }));
  await telemetry.close();
  const [refused, failed] = find("ping", "server");
  expect(refused).toMatchObject({
    parentSpanId: undefined,
    isError: false,
    attributes: {
      "rpc.status_code": "PERMISSION_DENIED",
      "zt.decision.outcome": "refused",
      "zt.decision.reason": "PEER_NOT_GRANTED",
      "zt.peer": "spiffe://production.internal/stranger",
    },
  });
  expect(failed).toMatchObject({
    isError: true,
    attributes: { "rpc.status_code": "INTERNAL", "error.type": "INTERNAL", "zt.decision.outcome": "allowed" },
  });
  expect(collector.received.join("")).not.toContain("canary");
});

test("each of many calls at a time has its own decision", async () => {
  const telemetry = await start("ping");
  const server = await serving(telemetry);
  const [known, unknown] = [server.ping(), server.ping(domain.stranger)];
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) =>
      index % 2 === 0 ? await known.ping({ text: "a" }) : await failureOf(unknown.ping({ text: "a" })),
    ),
  );
  for await (const { text } of known.pingMany({ text: "a", count: 2 })) expect(text).toBe("a");
  await telemetry.close();
  const said = find("ping", "server").map(({ attributes }) =>
    ["rpc.status_code", "zt.decision.outcome", "zt.peer"].map((key) => attributes[key]).join(" "),
  );
  const count = (text: string) => said.filter((each) => each === text).length;
  expect(count("OK allowed spiffe://production.internal/caller")).toBe(21);
  expect(count("PERMISSION_DENIED refused spiffe://production.internal/stranger")).toBe(20);
  expect(said).toHaveLength(41);
});

test.each([
  ["none", []],
  ["a malformed one", ["00-canary-canary-01"]],
  ["one of zeros", [`00-${"0".repeat(32)}-${"0".repeat(16)}-01`]],
  [
    "two",
    [
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ],
  ],
])("a traceparent that is no good begins a trace of its own: %s", async (_, values) => {
  const telemetry = await start("ping");
  const metadata = new grpc.Metadata();
  for (const value of values) metadata.add("traceparent", value);
  metadata.set("tracestate", "canary=canary");
  metadata.set("baggage", "canary=canary");
  await (await serving(telemetry)).ping().ping({ text: "a" }, { metadata });
  await telemetry.close();
  expect(find("ping", "server")).toMatchObject([{ parentSpanId: undefined }]);
  expect(collector.received.join("")).not.toMatch(/canary|4bf92f3577b34da6a3ce929d0e0e4736/u);
});

test("a caller that says it is not sampled is traced all the same", async () => {
  const telemetry = await start("ping");
  const metadata = new grpc.Metadata();
  metadata.set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
  await (await serving(telemetry)).ping().ping({ text: "a" }, { metadata });
  await telemetry.close();
  expect(find("ping", "server")).toMatchObject([
    { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", parentSpanId: "00f067aa0ba902b7" },
  ]);
});

test("a method that is not registered is named by nobody's text", async () => {
  const telemetry = await start("ping");
  const server = await serving(telemetry);
  const client = new grpc.Client("ignored", grpc.credentials.createInsecure(), {
    channelOverride: server.channels().channel(),
  });
  const bytes = (buffer: Buffer) => buffer;
  await new Promise((resolve) => {
    client.makeUnaryRequest("/canary.v1.Canary/Get", bytes, bytes, Buffer.alloc(0), resolve);
  });
  await telemetry.close();
  expect(find("ping", "server")).toMatchObject([
    { name: "_OTHER", attributes: { "rpc.method": "_OTHER", "rpc.status_code": "UNIMPLEMENTED" } },
  ]);
  expect(collector.received.join("")).not.toContain("canary");
});

test("work that is done later goes on in the trace that it is given, and other work in none", async () => {
  const [caller, server] = [await start("caller"), await start("ping")];
  const client = clientOf(await serving(server), caller);
  const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  await caller.within(traceParent, async () => {
    await client.ping({ text: "a" });
    await caller.within(undefined, async () => await client.ping({ text: "b" }));
  });
  await caller.close();
  const parents = find("caller", "client").map(({ parentSpanId }) => parentSpanId);
  expect(parents).toEqual(["00f067aa0ba902b7", undefined]);
});

test("nobody waits for a collector that is away; it is said once, and once when it is back", async () => {
  const telemetry = await start("ping", { metrics: { host: "127.0.0.1", port: 0 } });
  const client = (await serving(telemetry)).ping();
  collector.behave("refuse");
  await client.ping({ text: "a" });
  const spans = async (result: string) => valueIn(await scrape(telemetry.metricsPort), "zt_spans_total", { result });
  const patience = { timeout: 15_000 };
  await expect.poll(() => spans("failed"), patience).toBe(1);
  await client.ping({ text: "a" });
  await expect.poll(() => spans("failed"), patience).toBe(2);
  collector.behave("take");
  await client.ping({ text: "a" });
  await expect.poll(() => spans("exported"), patience).toBe(1);
  expect(messages().filter((msg) => msg.includes("collector"))).toEqual([
    "the collector takes no spans; they are dropped, and calls go on",
    "the collector takes spans again",
  ]);
});

test("closing waits two seconds for a collector that does not answer, and no longer", async () => {
  const telemetry = await start("ping");
  collector.behave("hang");
  await (await serving(telemetry)).ping().ping({ text: "a" });
  const startedMs = performance.now();
  await telemetry.close();
  expect(performance.now() - startedMs).toBeLessThan(4_000);
});

test("without a collector there is no traceparent, and nothing is passed on", async () => {
  const telemetry = await start("ping", { otlpEndpoint: undefined });
  const server = await serving(telemetry);
  expect(await clientOf(server, telemetry).ping({ text: "a" })).toMatchObject({ text: "a" });
  expect(telemetry.traceParentOf(new grpc.Metadata())).toBeUndefined();
  expect(collector.received).toEqual([]);
});
