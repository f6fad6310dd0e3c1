import type { ChannelInterface, Metadata, StatusObject } from "@grpc/grpc-js";

type Call = ReturnType<ChannelInterface["createCall"]>;
type Listener = Parameters<Call["start"]>[1];

/** A call that its channel counts until it has ended, and the certificate that its connection shows. */
export class CountedCall implements Call, Listener {
  readonly certificateThumbprint: string;
  readonly #call: Call;
  readonly #onEnded: () => void;
  #listener: Listener | undefined;

  /** @param onEnded - hears that it has, before who made it does */
  constructor(call: Call, certificateThumbprint: string, onEnded: () => void) {
    this.#call = call;
    this.certificateThumbprint = certificateThumbprint;
    this.#onEnded = onEnded;
  }

  /** It begins where it begins for grpc-js, and ends with its status, whatever becomes of it. */
  start(metadata: Metadata, listener: Listener): void {
    this.#listener = listener;
    this.#call.start(metadata, this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#listener?.onReceiveMetadata(metadata);
  }

  onReceiveMessage(message: unknown): void {
    this.#listener?.onReceiveMessage(message);
  }

  onReceiveStatus(status: StatusObject): void {
    this.#onEnded();
    const listener = this.#listener;
    // Grpc-js may hold a call that is over until the whole heap is collected, and this with it, but not all that hangs on it.
    this.#listener = undefined;
    listener?.onReceiveStatus(status);
  }

  sendMessageWithContext(...args: Parameters<Call["sendMessageWithContext"]>): void {
    this.#call.sendMessageWithContext(...args);
  }

  startRead(): void {
    this.#call.startRead();
  }

  halfClose(): void {
    this.#call.halfClose();
  }

  cancelWithStatus(...args: Parameters<Call["cancelWithStatus"]>): void {
    this.#call.cancelWithStatus(...args);
  }

  setCredentials(...args: Parameters<Call["setCredentials"]>): void {
    this.#call.setCredentials(...args);
  }

  getPeer(): string {
    return this.#call.getPeer();
  }

  getCallNumber(): number {
    return this.#call.getCallNumber();
  }

  getAuthContext(): ReturnType<Call["getAuthContext"]> {
    return this.#call.getAuthContext();
  }
}
