import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { callBidi } from "./call-bidi.ts";
import { callClientStream } from "./call-client-stream.ts";
import { callServerStream } from "./call-server-stream.ts";
import { callUnary } from "./call-unary.ts";
import type { ChannelSource } from "./channel-source.ts";
import { type CallOptions, type ClientMethodTarget, checkTimeout } from "./outgoing-call.ts";
import { RetryBudget } from "./retry-budget.ts";

/** How long a call may take that says nothing else, in milliseconds: as long as a server gives a unary call. */
export const defaultTimeoutMs = 30_000;

/** What `createClient` can be told. */
export interface ClientOptions {
  /** How long each call may take, in milliseconds; 30 s if not given. */
  readonly timeoutMs?: number;
  /**
   * How long the first attempt of a unary call waits for its answer, in milliseconds, before there is another one, which
   * has twice as long, and so on while there is time: for servers of which there are several, and for methods that may be
   * repeated alone. An answer that breaks off after its headers is asked for once more, too. One attempt waits for as long as
   * the call may take if not given.
   */
  readonly attemptTimeoutMs?: number;
}

type Init<D extends DescMessage> = MessageInitShape<D>;
type Shape<D extends DescMessage> = MessageShape<D>;

/** The function that calls a method, by its kind. */
export type ClientMethod<M extends DescMethod> = M extends { methodKind: "unary" }
  ? (request: Init<M["input"]>, options?: CallOptions) => Promise<Shape<M["output"]>>
  : M extends { methodKind: "server_streaming" }
    ? (request: Init<M["input"]>, options?: CallOptions) => AsyncIterable<Shape<M["output"]>>
    : M extends { methodKind: "client_streaming" }
      ? (requests: AsyncIterable<Init<M["input"]>>, options?: CallOptions) => Promise<Shape<M["output"]>>
      : M extends { methodKind: "bidi_streaming" }
        ? (requests: AsyncIterable<Init<M["input"]>>, options?: CallOptions) => AsyncIterable<Shape<M["output"]>>
        : never;

/** A function for every method of a service, by its name in TypeScript. */
export type Client<S extends DescService> = {
  readonly [K in keyof S["method"]]: ClientMethod<S["method"][K]>;
};

/**
 * Makes a typed client of a service.
 *
 * Every call asks `channels` for its channel and has a deadline. A call that does not end well throws an RpcError with
 * its code, its sentence and its trailers. Calls that stream responses begin when the first response is asked for, and
 * leaving their loop early cancels them. A request that cannot be serialized throws what protobuf-es says of it, and
 * nothing is sent. Throws a TypeError for a time-out that is none.
 *
 * @example
 * ```ts
 * import { type ChannelSource, createClient, RpcError } from "@zero-trust/rpc";
 * import { ErrorInfoSchema } from "@zero-trust/rpc/error-details";
 * import { PingService } from "@zero-trust/testkit";
 *
 * export async function ask(channels: ChannelSource, text: string): Promise<string> {
 *   const client = createClient(PingService, channels, { timeoutMs: 2_000 });
 *   try {
 *     for await (const answer of client.pingMany({ text, count: 100 })) if (answer.index === 3) return answer.text;
 *     return (await client.ping({ text }, { waitForReady: true, signal: AbortSignal.timeout(500) })).text;
 *   } catch (error) {
 *     if (error instanceof RpcError) console.error(error.code, error.findDetail(ErrorInfoSchema)?.reason);
 *     throw error;
 *   }
 * }
 * ```
 */
export function createClient<S extends DescService>(
  service: S,
  channels: ChannelSource,
  options: ClientOptions = {},
): Client<S> {
  const timeoutMs = checkTimeout(options.timeoutMs ?? defaultTimeoutMs);
  const attempts =
    options.attemptTimeoutMs === undefined
      ? undefined
      : { timeoutMs: checkTimeout(options.attemptTimeoutMs, "attemptTimeoutMs"), budget: new RetryBudget() };
  const methods = service.methods.map(
    (method) => [method.localName, callerOf({ method, channels, timeoutMs, attempts })] as const,
  );
  // Built from the same descriptor that the type is computed from.
  return Object.fromEntries(methods) as unknown as Client<S>;
}

function callerOf(target: ClientMethodTarget): unknown {
  switch (target.method.methodKind) {
    case "unary":
      return callUnary.bind(undefined, target);
    case "server_streaming":
      return callServerStream.bind(undefined, target);
    case "client_streaming":
      return callClientStream.bind(undefined, target);
    case "bidi_streaming":
      return callBidi.bind(undefined, target);
  }
}
