import { Metadata, type status } from "@grpc/grpc-js";

/**
 * The status of a call that did not end well: thrown by clients, and thrown by handlers to answer it.
 *
 * A handler's `message` goes to the caller as it is, so it is a fixed sentence, and `metadata` goes as trailers. An
 * error that a client received is not handed on to the caller of the handler that made the call: it speaks of another
 * conversation. Throw a new one to say something to the caller.
 */
export class RpcError extends Error {
  override readonly name = "RpcError" as const;
  /** The gRPC status code. */
  readonly code: status;
  /** The trailers. */
  readonly metadata: Metadata;

  constructor(code: status, message: string, metadata: Metadata = new Metadata()) {
    super(message);
    this.code = code;
    this.metadata = metadata;
  }
}
