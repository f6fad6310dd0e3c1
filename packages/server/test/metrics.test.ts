import * as grpc from "@grpc/grpc-js";
import { createClient } from "@zero-trust/rpc";
import { createCa, PingService } from "@zero-trust/testkit";
import { parseScrape, scrape, seriesIn, valueIn } from "@zero-trust/testkit/telemetry";
import { afterEach, beforeAll, expect, test } from "vitest";
import { createLog } from "../src/log.ts";
import { metricTable, prometheusName } from "../src/telemetry/metric-table.ts";
import { startTelemetry, type Telemetry, type TelemetryOptions } from "../src/telemetry/telemetry.ts";
import { createTrustDomain, failureOf, type PingServing, servePing, type TrustDomain } from "./ping-serving.ts";

let domain: TrustDomain;
beforeAll(async () => {
  domain = await createTrustDomain();
});

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

const lines: string[] = [];
async function start(options: Partial<TelemetryOptions> = {}): Promise<Telemetry> {
  lines.length = 0;
  const log = createLog({ name: "ping", destination: { write: (line) => lines.push(line) } });
  const metrics = { host: "127.0.0.1", port: 0 };
  const telemetry = await startTelemetry({ log, service: "ping", version: "1.2.3", metrics, ...options });
  opened.push({ [Symbol.asyncDispose]: () => telemetry.close() });
  return telemetry;
}
async function serving(telemetry: Telemetry): Promise<PingServing> {
  const started = await servePing(domain, { telemetry });
  opened.push(started);
  return started;
}
const bytes = (buffer: Buffer) => buffer;
/** Makes calls to whatever paths a caller likes, with whatever messages and metadata. */
function rawCaller(server: PingServing) {
  const { ca, cert, key } = domain.caller;
  const credentials = grpc.credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert));
  const client = new grpc.Client(`127.0.0.1:${server.port}`, credentials, {
    "grpc.ssl_target_name_override": "ping.production.internal",
  });
  opened.push({ [Symbol.asyncDispose]: async () => client.close() });
  return async (path: string, message: Buffer, metadata: grpc.Metadata = new grpc.Metadata()) =>
    await new Promise<Pick<grpc.ServiceError, "code" | "details">>((resolve) => {
      const ok = { code: grpc.status.OK, details: "" };
      client.makeUnaryRequest(path, bytes, bytes, message, metadata, (error) => resolve(error ?? ok));
    });
}

const ping = "zerotrust.testkit.v1.PingService/Ping";

test("calls and decisions are counted, by method, status, outcome and reason", async () => {
  const telemetry = await start();
  const server = await serving(telemetry);
  await server.ping().ping({ text: "a" });
  await failureOf(server.ping().ping({ text: "throw" }));
  await failureOf(server.ping(domain.stranger).ping({ text: "a" }));
  const found = await scrape(telemetry.metricsPort);
  const calls = (code: string) =>
    valueIn(found, "rpc_server_call_duration_count", {
      rpc_system_name: "grpc",
      rpc_method: ping,
      rpc_status_code: code,
    });
  expect(["OK", "INTERNAL", "PERMISSION_DENIED"].map(calls)).toEqual([1, 1, 1]);
  expect(found.get("zt_decisions_total")).toEqual([
    { labels: { rpc_method: ping, outcome: "allowed" }, value: 2 },
    { labels: { rpc_method: ping, outcome: "refused", reason: "PEER_NOT_GRANTED" }, value: 1 },
  ]);
  expect(valueIn(found, "zt_decision_duration_count", { outcome: "refused" })).toBe(1);
  expect(valueIn(found, "zt_decision_duration_bucket", { outcome: "allowed", le: "+Inf" })).toBe(2);
  expect(found.get("target_info")).toEqual([{ labels: { service_name: "ping", service_version: "1.2.3" }, value: 1 }]);
});

test("a status with which grpc-js itself ends a call is counted too, and its text is still replaced", async () => {
  const telemetry = await start();
  const server = await serving(telemetry);
  const { code, details } = await rawCaller(server)(`/${ping}`, Buffer.alloc(1024 * 1024 + 1));
  expect({ code, details }).toEqual({ code: grpc.status.RESOURCE_EXHAUSTED, details: "A message is too large." });
  const found = await scrape(telemetry.metricsPort);
  expect(valueIn(found, "rpc_server_call_duration_count", { rpc_status_code: "RESOURCE_EXHAUSTED" })).toBe(1);
});

test("a call that its caller gives up is counted as cancelled, once", async () => {
  const telemetry = await start();
  const server = await serving(telemetry);
  const given = new AbortController();
  const call = failureOf(server.ping().ping({ text: "wait" }, { signal: given.signal }));
  await server.waiting.begun;
  given.abort();
  await call;
  const cancelled = async () =>
    valueIn(await scrape(telemetry.metricsPort), "rpc_server_call_duration_count", { rpc_status_code: "CANCELLED" });
  await expect.poll(cancelled).toBe(1);
  server.waiting.release();
});

test("calls that are made are counted with what they came to", async () => {
  const telemetry = await start();
  const server = await serving(telemetry);
  const client = createClient(PingService, telemetry.channels(server.channels()));
  await client.ping({ text: "a" });
  for await (const { index } of client.pingMany({ text: "a", count: 3 })) expect(index).toBeLessThan(3);
  await failureOf(client.ping({ text: "throw" }));
  const found = await scrape(telemetry.metricsPort);
  const made = (labels: Record<string, string>) => valueIn(found, "rpc_client_call_duration_count", labels);
  expect(made({ rpc_method: ping, rpc_status_code: "OK" })).toBe(1);
  expect(made({ rpc_method: ping, rpc_status_code: "INTERNAL" })).toBe(1);
  expect(made({ rpc_method: "zerotrust.testkit.v1.PingService/PingMany", rpc_status_code: "OK" })).toBe(1);
});

test("nothing that a caller makes up becomes a label: a thousand paths are one series", async () => {
  const telemetry = await start();
  const server = await serving(telemetry);
  const metadata = (index: number) => {
    const made = new grpc.Metadata();
    for (const key of ["x-client", "user-agent", "traceparent", "x-api-key"]) made.set(key, `made-up-${index}`);
    return made;
  };
  const caller = rawCaller(server);
  const call = async (index: number) =>
    await caller(`/made.up.v${index}.Service/Method${index}`, Buffer.alloc(0), metadata(index));
  expect((await call(0)).code).toBe(grpc.status.UNIMPLEMENTED);
  const before = seriesIn(await scrape(telemetry.metricsPort));
  for (let first = 1; first <= 1_000; first += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, more) => call(first + more)));
  }
  const found = await scrape(telemetry.metricsPort);
  expect(seriesIn(found)).toBe(before);
  expect(valueIn(found, "rpc_server_call_duration_count", { rpc_method: "_OTHER" })).toBe(1_001);
  expect(valueIn(found, "zt_decisions_total", { rpc_method: "_OTHER" })).toBe(1_001);
  const text = await (await fetch(`http://127.0.0.1:${telemetry.metricsPort}/metrics`)).text();
  expect(text).not.toMatch(/made.up|caller/iu);
});

test("refused handshakes, connections, readiness, and when certificates end", async () => {
  const telemetry = await start();
  const server = await serving(telemetry);
  const foreign = await (await createCa()).issue({ spiffeId: "spiffe://production.internal/caller" });
  await failureOf(server.ping({ ...foreign, ca: foreign.ca + domain.ca.ca }).ping({ text: "a" }));
  await server.ping().ping({ text: "a" });
  const refused = async () => valueIn(await scrape(telemetry.metricsPort), "zt_handshakes_refused_total");
  await expect.poll(refused).toBeGreaterThan(0);
  const found = await scrape(telemetry.metricsPort);
  expect(valueIn(found, "zt_connections")).toBe(1);
  expect(valueIn(found, "zt_ready")).toBe(1);
  const ends = valueIn(found, "zt_tls_expiry_timestamp_seconds", { what: "certificate" });
  expect(ends).toBeGreaterThan(Date.now() / 1000);
});

test("when the certificate ends that calls show, the first of several, beside the one of now", async () => {
  const telemetry = await start();
  await serving(telemetry);
  const shown = async () =>
    valueIn(await scrape(telemetry.metricsPort), "zt_tls_expiry_timestamp_seconds", { what: "shown" });
  const one: { expiresAtMs: number | undefined } = { expiresAtMs: undefined };
  const other = { ...one };
  telemetry.observeChannels(one, other);
  const series = (await scrape(telemetry.metricsPort)).get("zt_tls_expiry_timestamp_seconds") ?? [];
  expect(series.map(({ labels }) => labels["what"])).toEqual(["certificate"]);
  one.expiresAtMs = 5_000;
  expect(await shown()).toBe(5);
  other.expiresAtMs = 2_000;
  expect(await shown()).toBe(2);
  const found = await scrape(telemetry.metricsPort);
  expect(valueIn(found, "zt_tls_expiry_timestamp_seconds", { what: "certificate" })).toBeGreaterThan(5);
});

test("the process says how it is", async () => {
  const telemetry = await start();
  await scrape(telemetry.metricsPort);
  const delayed = async () => (await scrape(telemetry.metricsPort)).has("nodejs_eventloop_delay_p99");
  await expect.poll(delayed).toBe(true);
  const found = await scrape(telemetry.metricsPort);
  expect(valueIn(found, "process_memory_usage")).toBeGreaterThan(10_000_000);
  expect(valueIn(found, "v8js_memory_heap_used")).toBeGreaterThan(1_000_000);
  expect(valueIn(found, "process_cpu_time_total")).toBeGreaterThan(0);
});

test("a log that is not taken is told, and so is one that is taken again", async () => {
  const destination = { write: () => undefined, takesLines: false };
  const telemetry = await start({ log: createLog({ name: "ping", destination }) });
  expect(valueIn(await scrape(telemetry.metricsPort), "zt_log_writable")).toBe(0);
  destination.takesLines = true;
  expect(valueIn(await scrape(telemetry.metricsPort), "zt_log_writable")).toBe(1);
});

test("a gauge that fails is left out, and the others are there", async () => {
  const telemetry = await start();
  telemetry.observe("zt.nonces.remembered", () => {
    throw new Error("canary");
  });
  telemetry.observe("zt.outbox.orders", () => Promise.reject(new Error("canary")));
  telemetry.observe("zt.signing_keys.published", () => 2);
  const found = await scrape(telemetry.metricsPort);
  expect(valueIn(found, "zt_signing_keys_published")).toBe(2);
  expect([...found.keys()]).not.toContain("zt_nonces_remembered");
  expect(lines.join("")).not.toContain("canary");
});

test("whatever is scraped is in the table, under its name and with its labels", async () => {
  const telemetry = await start();
  const server = await serving(telemetry);
  await server.ping().ping({ text: "a" });
  const rows = Object.entries(metricTable).map(([name, { labels }]) => ({
    name: prometheusName(name as keyof typeof metricTable),
    labels: new Set(["le", ...labels.map((label) => label.replaceAll(".", "_"))]),
  }));
  for (const [name, series] of await scrape(telemetry.metricsPort)) {
    if (name === "target_info") continue;
    const row = rows.find((each) => each.name === name.replace(/_(?:count|sum|bucket)$/u, ""));
    const used = series.flatMap(({ labels }) => Object.keys(labels));
    expect([name, row === undefined, used.filter((label) => row?.labels.has(label) !== true)]).toEqual([
      name,
      false,
      [],
    ]);
  }
});

test("says loudly where the metrics are, and nothing where there are none", async () => {
  const { metricsPort } = await start();
  const [line = "{}", ...more] = lines;
  expect(JSON.parse(line)).toMatchObject({ level: "warn", host: "127.0.0.1", port: metricsPort });
  expect(more).toEqual([]);
  expect((await start({ metrics: undefined })).metricsPort).toBeUndefined();
  expect(lines).toEqual([]);
});

test("does not start on a port that is in use, and says so in one sentence", async () => {
  const { metricsPort = 0 } = await start();
  await expect(start({ metrics: { host: "127.0.0.1", port: metricsPort } })).rejects.toThrow(
    `Port 127.0.0.1:${metricsPort} is already in use; choose another with ZT_METRICS_PORT.`,
  );
});

test("a line that is not of the format is no scrape", () => {
  expect(() => parseScrape("what is this")).toThrow("what is this");
});
