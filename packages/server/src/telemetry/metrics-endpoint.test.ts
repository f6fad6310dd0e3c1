import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type MetricsEndpoint, serveMetrics } from "./metrics-endpoint.ts";

let endpoint: MetricsEndpoint;
let collected: number;
let failing: boolean;
beforeEach(async () => {
  collected = 0;
  failing = false;
  const text = async () => {
    collected += 1;
    if (failing) throw new Error("canary");
    return await Promise.resolve("a 1\n");
  };
  endpoint = await serveMetrics({ host: "127.0.0.1", port: 0, text });
});
afterEach(async () => await endpoint.close());

const ask = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(`http://127.0.0.1:${endpoint.port}${path}`, init);
  return { status: response.status, body: await response.text(), headers: response.headers };
};

test("GET /metrics is answered in Prometheus's format, and not kept by anybody", async () => {
  const { status, body, headers } = await ask("/metrics");
  expect([status, body]).toEqual([200, "a 1\n"]);
  expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(headers.get("cache-control")).toBe("no-store");
});

test.each([
  ["another path", "/", {}, 404],
  ["a path below", "/metrics/", {}, 404],
  ["a query", "/metrics?name[]=up", {}, 404],
  ["another method", "/metrics", { method: "POST" }, 405],
  ["a method that changes things", "/metrics", { method: "DELETE" }, 405],
  ["headers that are too large", "/metrics", { headers: { "x-large": "a".repeat(5_000) } }, 431],
])("nothing else is answered: %s", async (_, path, init, expected) => {
  expect((await ask(path, init)).status).toBe(expected);
  expect(collected).toBe(0);
});

test("a request with a body is refused, and its connection closed without reading it", async () => {
  const socket = connect(endpoint.port, "127.0.0.1");
  socket.write("GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  const chunks: string[] = [];
  socket.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  await once(socket, "close");
  expect(chunks.join("")).toMatch(/^HTTP\/1\.1 400 /u);
  expect(collected).toBe(0);
});

test("many who ask at a time cost one look", async () => {
  const socket = connect(endpoint.port, "127.0.0.1");
  const one = "GET /metrics HTTP/1.1\r\nHost: a\r\n";
  // In one piece, so that all are there before the first is answered.
  socket.write([...Array.from({ length: 9 }, () => one), `${one}Connection: close\r\n`, ""].join("\r\n"));
  const chunks: string[] = [];
  socket.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  await once(socket, "close");
  expect(chunks.join("").match(/^HTTP\/1\.1 200 /gmu)).toHaveLength(10);
  expect(collected).toBe(1);
});

test("metrics that cannot be collected are 503 without a word, and are tried again", async () => {
  failing = true;
  expect(await ask("/metrics")).toMatchObject({ status: 503, body: "" });
  failing = false;
  expect(await ask("/metrics")).toMatchObject({ status: 200 });
});

test("close takes no more, and waits for nobody who holds a connection", async () => {
  const socket = connect(endpoint.port, "127.0.0.1");
  await once(socket, "connect");
  await endpoint.close();
  await expect(ask("/metrics")).rejects.toThrow("fetch failed");
  socket.destroy();
});
