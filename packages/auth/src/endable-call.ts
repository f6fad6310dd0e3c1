import { ServerInterceptingCall, type ServerInterceptingCallInterface, type ServerListener } from "@grpc/grpc-js";
import { withoutRefusal } from "./refusal.ts";

type PartialStatusObject = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];
type InnerListener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/**
 * A call that can be ended from here while its handler runs: the caller gets the status, and the handler hears that the call was
 * cancelled. What it still says then is dropped by grpc-js, as after any status.
 */
export class EndableCall extends ServerInterceptingCall {
  readonly #wire: ServerInterceptingCallInterface;
  #handler: InnerListener | undefined;
  #ended = false;
  #isRead = false;

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

  /** Asks for the first message before there is a handler to ask for it. */
  readAhead(): void {
    this.#isRead = true;
    this.#wire.startRead();
  }

  override startRead(): void {
    // A second time would bring what comes after it.
    if (this.#isRead) this.#isRead = false;
    else super.startRead();
  }

  /** The handler's own word: it may have acted, so what it says must not look like a refusal that may be tried again. */
  override sendStatus(status: PartialStatusObject): void {
    super.sendStatus(withoutRefusal(status));
  }

  override start(handler: InnerListener): void {
    let isCancelled = false;
    this.#handler = {
      onReceiveMetadata: (metadata) => handler.onReceiveMetadata(metadata),
      onReceiveMessage: (message) => handler.onReceiveMessage(message),
      onReceiveHalfClose: () => handler.onReceiveHalfClose(),
      onCancel() {
        // By us and then by grpc-js: a handler that gives something back when it hears it is to do so once.
        if (isCancelled) return;
        isCancelled = true;
        handler.onCancel();
      },
    };
    super.start(this.#handler);
  }
}
