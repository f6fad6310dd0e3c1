import { type Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import { withoutRefusal } from "./refusal.ts";

type PartialStatusObject = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];
type InnerListener = Parameters<ServerInterceptingCallInterface["start"]>[0];
type SendCallback = Parameters<ServerInterceptingCallInterface["sendMessage"]>[1];

/** Decides what the handler gets to hear of a call. */
export interface Judge {
  onMetadata(metadata: Metadata): void;
  onMessage(message: unknown): void;
  onHalfClose(): void;
  /** The call is over, whoever ended it; nothing follows. */
  onEnd(): void;
}

/**
 * A call between the wire and its handler. What comes from the wire goes to the judge, who hands it on; what the handler says goes out. It
 * can be ended from here while the handler runs: the caller gets the status, and the handler hears that the call was cancelled. What it still
 * says then is dropped by grpc-js, as after any status.
 */
export class EndableCall extends ServerInterceptingCall implements InnerListener {
  readonly #wire: ServerInterceptingCallInterface;
  readonly #decode: ((bytes: Buffer) => unknown) | undefined;
  #judge: Judge | undefined;
  #handler: InnerListener | undefined;
  #isCancelled = false;
  #isRead = false;

  /** @param decode - decodes a message, where that was put off until the call is let in */
  constructor(wire: ServerInterceptingCallInterface, judge: Judge, decode?: (bytes: Buffer) => unknown) {
    super(wire);
    this.#wire = wire;
    this.#judge = judge;
    this.#decode = decode;
  }

  override start(handler: InnerListener): void {
    this.#handler = handler;
    this.#wire.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#judge?.onMetadata(metadata);
  }

  onReceiveMessage(message: unknown): void {
    this.#judge?.onMessage(message);
  }

  onReceiveHalfClose(): void {
    this.#judge?.onHalfClose();
  }

  onCancel(): void {
    const judge = this.#judge;
    // A stream of HTTP/2 that is over may be held until the whole heap is collected, and this with it, but neither all that was judged by
    // nor what its handler made.
    this.#judge = undefined;
    judge?.onEnd();
    this.#cancel();
    this.#handler = undefined;
  }

  handOnMetadata(metadata: Metadata): void {
    if (!this.#isCancelled) this.#handler?.onReceiveMetadata(metadata);
  }

  handOnMessage(message: unknown): void {
    if (this.#isCancelled) return;
    if (this.#decode === undefined) {
      this.#handler?.onReceiveMessage(message);
      return;
    }
    let decoded: unknown;
    try {
      decoded = this.#decode(message as Buffer);
    } catch {
      this.#wire.sendStatus({ code: status.INTERNAL, details: "" }); // not of the method's type, and no word of ours
      return;
    }
    this.#handler?.onReceiveMessage(decoded);
  }

  handOnHalfClose(): void {
    if (!this.#isCancelled) this.#handler?.onReceiveHalfClose();
  }

  /** Asks for the first message before there is a handler to ask for it. */
  readAhead(): void {
    this.#isRead = true;
    this.#wire.startRead();
  }

  override startRead(): void {
    // A second time would bring what comes after it.
    if (this.#isRead) this.#isRead = false;
    else this.#wire.startRead();
  }

  override sendMetadata(metadata: Metadata): void {
    this.#wire.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: SendCallback): void {
    this.#wire.sendMessage(message, callback);
  }

  /** The handler's own word: it may have acted, so what it says must not look like a refusal that may be tried again. */
  override sendStatus(status: PartialStatusObject): void {
    this.#wire.sendStatus(withoutRefusal(status));
  }

  /** Our own word, in place of the handler's, who has heard nothing of the call. */
  refuse(status: PartialStatusObject): void {
    this.#wire.sendStatus(status);
  }

  /** Our own word, in the midst of what the handler does. */
  end(status: PartialStatusObject): void {
    if (this.#isCancelled) return;
    this.refuse(status);
    // At once: a caller that does not read keeps the status, and with it grpc-js's own word to the handler, waiting.
    this.#cancel();
  }

  /** By us and then by grpc-js: a handler that gives something back when it hears it is to do so once. */
  #cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#handler?.onCancel();
  }
}
