import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Metadata } from "@grpc/grpc-js";

/** What a handler knows of its call besides the messages. */
export interface HandlerContext {
  /** The very object that the last interceptor passed on: what was attached to it by identity is found again. */
  readonly metadata: Metadata;
  /** Aborts when the caller cancels, goes away, or the deadline passes; its reason is an RpcError. */
  readonly signal: AbortSignal;
  /** When the call ends at the latest, in milliseconds since the epoch; Infinity if neither side has set a limit. */
  readonly deadlineMs: number;
  /** What is set here before the first response goes out with it, as headers. */
  readonly responseHeaders: Metadata;
  /** What is set here goes out with the status OK, as trailers; those of a failure are the RpcError's. */
  readonly responseTrailers: Metadata;
}

/** Answers one request with one response. */
export type UnaryHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: HandlerContext,
) => Promise<MessageInitShape<O>> | MessageInitShape<O>;

/** Answers one request with many responses; is asked for the next one only when the caller can take it. */
export type ServerStreamHandler<I extends DescMessage, O extends DescMessage> = (
  request: MessageShape<I>,
  context: HandlerContext,
) => AsyncIterable<MessageInitShape<O>>;

/** Answers many requests with one response; may answer before it has read them all. */
export type ClientStreamHandler<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  context: HandlerContext,
) => Promise<MessageInitShape<O>> | MessageInitShape<O>;

/** Answers many requests with many responses, in any order; may end before it has read them all. */
export type BidiHandler<I extends DescMessage, O extends DescMessage> = (
  requests: AsyncIterable<MessageShape<I>>,
  context: HandlerContext,
) => AsyncIterable<MessageInitShape<O>>;

/** The handler that a method needs, by its kind. */
export type HandlerOf<M extends DescMethod> = M extends { methodKind: "unary" }
  ? UnaryHandler<M["input"], M["output"]>
  : M extends { methodKind: "server_streaming" }
    ? ServerStreamHandler<M["input"], M["output"]>
    : M extends { methodKind: "client_streaming" }
      ? ClientStreamHandler<M["input"], M["output"]>
      : M extends { methodKind: "bidi_streaming" }
        ? BidiHandler<M["input"], M["output"]>
        : never;

/** One handler for every method of a service, by its name in TypeScript. */
export type Handlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: HandlerOf<S["method"][K]>;
};
