import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A span as a collector gets it. */
export interface CollectedSpan {
  /** `service.name` of who sent it. */
  readonly service: string;
  readonly name: string;
  readonly kind: "server" | "client" | "other";
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for the first of a trace. */
  readonly parentSpanId: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
}

/** A collector of spans (OTLP/HTTP, JSON) that behaves as it is told. */
export interface SpanCollector extends AsyncDisposable {
  readonly endpoint: string;
  readonly spans: readonly CollectedSpan[];
  /** All that it was sent, as it was sent. */
  readonly received: readonly string[];
  /** `take` spans (as at first), `refuse` them with 400, be `busy` (503), or `hang` without an answer. */
  behave(how: "take" | "refuse" | "busy" | "hang"): void;
}

/** Starts a collector on loopback. */
export async function startSpanCollector(): Promise<SpanCollector> {
  let behaviour: Parameters<SpanCollector["behave"]>[0] = "take";
  const spans: CollectedSpan[] = [];
  const received: string[] = [];

  async function collect(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString("utf8");
    received.push(`${request.method} ${request.url}\n${JSON.stringify(request.headers)}\n${body}`);
    if (behaviour === "hang") return;
    if (behaviour === "take") spans.push(...spansIn(body));
    response.statusCode = { take: 200, refuse: 400, busy: 503 }[behaviour];
    response.setHeader("Content-Type", "application/json");
    response.end("{}");
  }

  const server = createServer((request, response) => {
    // Who goes away in the middle has said nothing.
    collect(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    received,
    behave(how) {
      behaviour = how;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Of `ExportTraceServiceRequest` in JSON, what is looked at. */
interface OtlpRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly kind: number;
        readonly attributes: readonly OtlpAttribute[];
        readonly status: { readonly code?: number };
      }[];
    }[];
  }[];
}

function spansIn(body: string): CollectedSpan[] {
  const { resourceSpans } = JSON.parse(body) as OtlpRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(attributesOf(resource.attributes)["service.name"]);
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId, name, kind, attributes, status }) => ({
        service,
        name,
        kind: kind === 2 ? "server" : kind === 3 ? "client" : "other",
        traceId,
        spanId,
        parentSpanId: parentSpanId === "" ? undefined : parentSpanId,
        attributes: attributesOf(attributes),
        isError: status.code === 2,
      })),
    );
  });
}

function attributesOf(attributes: readonly OtlpAttribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
