import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { listenError } from "../listen-error.ts";

/** Where metrics are served, and what they are. */
export interface MetricsEndpointOptions {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** The metrics of now, in Prometheus's text format. */
  readonly text: () => Promise<string>;
}

/** An endpoint that listens. */
export interface MetricsEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

/** A request of Prometheus has some 300 bytes. */
const MAX_HEADER_BYTES = 4 * 1024;
/** Whoever is slower holds a socket for nothing. */
const REQUEST_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const TIMEOUT_CHECK_INTERVAL_MS = 1_000;
/** Two Prometheus servers and somebody who looks; it is not to cost the service its sockets. */
const MAX_CONNECTIONS = 16;

/**
 * Serves `GET /metrics` in clear, and nothing else: Prometheus scrapes it from the same host or network, and what it says is
 * no secret. However many ask at a time, the metrics are collected once.
 *
 * @throws ConfigError when it cannot listen
 */
export async function serveMetrics(options: MetricsEndpointOptions): Promise<MetricsEndpoint> {
  const { host, port, text } = options;
  let collecting: Promise<string> | undefined;
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
    },
    ({ method, url, headers }, response) => {
      const hasBody = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
      response.setHeader("Cache-Control", "no-store");
      response.setHeader("X-Content-Type-Options", "nosniff");
      if (url !== "/metrics") refuse(response, 404);
      else if (method !== "GET") refuse(response, 405);
      else if (hasBody) refuse(response, 400);
      else void answer(response);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;

  async function answer(response: ServerResponse): Promise<void> {
    collecting ??= text().finally(() => {
      collecting = undefined;
    });
    try {
      const body = await collecting;
      response.setHeader("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      response.end(body);
    } catch {
      refuse(response, 503);
    }
  }

  return { port: await listen(server, host, port), close: async () => await close(server) };
}

/** What the request still sends is not read. */
function refuse(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.setHeader("Connection", "close");
  if (status === 405) response.setHeader("Allow", "GET");
  response.end();
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const names = { host: "ZT_METRICS_HOST", port: "ZT_METRICS_PORT" };
    server.once("error", (error) => reject(listenError(error, { host, port }, names)));
    server.listen({ host, port }, resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
