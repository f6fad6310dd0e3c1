import type {
  PingEachRequest,
  PingManyRequest,
  PingRequest,
  PingSumRequest,
} from "./gen/zerotrust/testkit/v1/ping_pb.ts";

export {
  type PingEachRequest,
  PingEachRequestSchema,
  type PingEachResponse,
  PingEachResponseSchema,
  type PingManyRequest,
  PingManyRequestSchema,
  type PingManyResponse,
  PingManyResponseSchema,
  type PingRequest,
  PingRequestSchema,
  type PingResponse,
  PingResponseSchema,
  PingService,
  type PingSumRequest,
  PingSumRequestSchema,
  type PingSumResponse,
  PingSumResponseSchema,
} from "./gen/zerotrust/testkit/v1/ping_pb.ts";

/** What the ping handlers use of a call's context. `M` is the type of its metadata. */
export interface PingContext<M> {
  readonly metadata: M;
}

/** A handler for each method of PingService, in the form that `addService` of `@zero-trust/rpc` takes. */
export interface PingHandlers<M> {
  readonly ping: (request: PingRequest, context: PingContext<M>) => { text: string; client: string };
  readonly pingMany: (request: PingManyRequest) => AsyncIterable<{ text: string; index: number }>;
  readonly pingSum: (requests: AsyncIterable<PingSumRequest>) => Promise<{ sum: bigint; count: number }>;
  readonly pingEach: (requests: AsyncIterable<PingEachRequest>) => AsyncIterable<{ text: string }>;
}

/** What `pingHandlers` can be told. */
export interface PingOptions<M> {
  /** Says who calls, for the answer of Ping; nobody if not given. What it throws, the handler throws. */
  readonly clientOf?: (metadata: M) => string;
}

/** Handlers that do what the definition of PingService says. */
export function pingHandlers<M>(options: PingOptions<M> = {}): PingHandlers<M> {
  return {
    ping(request, context): { text: string; client: string } {
      return { text: request.text, client: options.clientOf?.(context.metadata) ?? "" };
    },
    async *pingMany(request): AsyncGenerator<{ text: string; index: number }> {
      for (let index = 0; index < request.count; index += 1) yield { text: request.text, index };
    },
    async pingSum(requests): Promise<{ sum: bigint; count: number }> {
      let sum = 0n;
      let count = 0;
      for await (const { value } of requests) {
        sum += BigInt(value);
        count += 1;
      }
      return { sum, count };
    },
    async *pingEach(requests): AsyncGenerator<{ text: string }> {
      for await (const { text } of requests) yield { text };
    },
  };
}
