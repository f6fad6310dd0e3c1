import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { Metadata, type status } from "@grpc/grpc-js";
import { RetryInfoSchema } from "./gen/google/rpc/error_details_pb.ts";
import { decodeStatusDetails, encodeStatusDetails, statusDetailsKey } from "./status-details.ts";

/** What an RpcError can carry besides its code and sentence. */
export interface RpcErrorOptions {
  /** Trailers to send. */
  readonly metadata?: Metadata;
  /** What a program can read: made by `detail()`, sent as `google.rpc.Status` (AIP-193). */
  readonly details?: readonly Any[];
  /** What led to it; stays here. */
  readonly cause?: unknown;
}

/**
 * The status of a call that did not end well: thrown by clients, and thrown by handlers to answer it.
 *
 * A handler's `message` goes to the caller as it is, so it is a fixed sentence; `metadata` goes as trailers, and `details`
 * as one of them. What is too large for trailers is left out, details first. An error that a client received is not handed
 * on to the caller of the handler that made the call: it speaks of another conversation. Throw a new one to say something
 * to the caller.
 *
 * @example
 * ```ts
 * import { status } from "@grpc/grpc-js";
 * import { detail, RpcError } from "@zero-trust/rpc";
 * import { RetryInfoSchema } from "@zero-trust/rpc/error-details";
 *
 * const full = new RpcError(status.RESOURCE_EXHAUSTED, "The queue is full.", {
 *   details: [detail(RetryInfoSchema, { retryDelay: { seconds: 5n } })],
 * });
 * console.log(full.retryAfterMs);
 * ```
 */
export class RpcError extends Error {
  override readonly name = "RpcError" as const;
  /** The gRPC status code. */
  readonly code: status;
  /** The trailers. */
  readonly metadata: Metadata;

  constructor(code: status, message: string, options: Metadata | RpcErrorOptions = {}) {
    const {
      metadata = new Metadata(),
      details = [],
      cause,
    } = options instanceof Metadata ? { metadata: options } : options;
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.metadata = details.length === 0 ? metadata : metadata.clone();
    if (details.length > 0) {
      this.metadata.set(statusDetailsKey, encodeStatusDetails({ code, message: message.toWellFormed(), details }));
    }
  }

  /** The details of one type, in their order; what cannot be read is left out. */
  details<D extends DescMessage>(schema: D): MessageShape<D>[] {
    return decodeStatusDetails(this.metadata, this.code).flatMap((any) => {
      try {
        return anyUnpack(any, schema) ?? [];
      } catch {
        return [];
      }
    });
  }

  /** In how many milliseconds it is worth calling again, as `google.rpc.RetryInfo` says; undefined if nobody says so. */
  get retryAfterMs(): number | undefined {
    const delay = this.findDetail(RetryInfoSchema)?.retryDelay;
    const ms = delay === undefined ? undefined : durationMs(delay);
    return ms !== undefined && ms >= 0 ? ms : undefined;
  }

  /** The first detail of a type; undefined if there is none that can be read. */
  findDetail<D extends DescMessage>(schema: D): MessageShape<D> | undefined {
    return this.details(schema)[0];
  }
}

/** A detail for an RpcError, of any message type; `@zero-trust/rpc/error-details` has the common ones. */
export function detail<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Any {
  return anyPack(schema, create(schema, init));
}
