import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerListener,
} from "@grpc/grpc-js";

type PartialStatusObject = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];
type InnerListener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/**
 * A call that can be ended from here while its handler runs: the caller gets the status, the handler hears that the call was
 * cancelled, and nothing that it still says goes out.
 */
export class EndableCall extends ServerInterceptingCall {
  readonly #wire: ServerInterceptingCallInterface;
  #handler: InnerListener | undefined;
  #ended = false;

  constructor(wire: ServerInterceptingCallInterface, listener: ServerListener) {
    super(wire, { start: (next) => next(listener) });
    this.#wire = wire;
  }

  end(status: PartialStatusObject): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wire.sendStatus(status);
    // At once: a caller that does not read keeps the status, and with it grpc-js's own word to the handler, waiting.
    this.#handler?.onCancel();
  }

  override start(handler: InnerListener): void {
    this.#handler = handler;
    super.start(handler);
  }

  override sendMetadata(metadata: Metadata): void {
    if (!this.#ended) super.sendMetadata(metadata);
  }

  override sendMessage(...args: Parameters<ServerInterceptingCallInterface["sendMessage"]>): void {
    if (!this.#ended) super.sendMessage(...args);
  }

  override sendStatus(status: PartialStatusObject): void {
    if (!this.#ended) super.sendStatus(status);
  }
}
