import { type ChannelInterface, Metadata, type StatusObject, status } from "@grpc/grpc-js";
import type { MutualTlsCall, MutualTlsChannels } from "@zero-trust/mtls";
import { type Presented, presenting } from "./call-credentials.ts";
import type { Presenter } from "./presenter.ts";
import { reasonOf, serverTimeOf, wasLetIn } from "./refusal.ts";

export type Call = ReturnType<ChannelInterface["createCall"]>;
type Listener = Parameters<Call["start"]>[1];
type CreateCall = Parameters<ChannelInterface["createCall"]>;
type MessageContext = Parameters<Call["sendMessageWithContext"]>[0];

/** What the calls of a method show. */
export interface Shown {
  readonly presenters: readonly Presenter[];
  /** The metadata keys that they set, in lower case. */
  readonly keys: readonly string[];
}

/** What was said to a call, so that it can be said once more. */
interface Said {
  readonly metadata: Metadata;
  message: Buffer | undefined;
  context: MessageContext;
  reading: boolean;
  halfClosed: boolean;
}

/** A call of the channel below, and what was presented in its last attempt. */
interface Sent {
  readonly call: MutualTlsCall;
  presented: Presented;
}

const nothing: Presented = [];

/** The refusals that say of a credential what a fresh one may mend. */
const mendable: ReadonlySet<string | undefined> = new Set(["CREDENTIAL_INVALID", "CREDENTIAL_EXPIRED"]);

/**
 * A call that shows its first message, as bytes, to whoever signs it, and that is sent once more when it was refused for
 * a credential that has been mended: as long as its one message is all that there is, and nothing has come back.
 */
export class AuthenticatedCall implements Call, Listener {
  readonly #channels: MutualTlsChannels;
  readonly #args: CreateCall;
  readonly #shown: Shown;
  #sent: Sent;
  /** Gone as soon as the call may not be sent again. */
  #said: Said | undefined;
  /** Who hears of the call, until it is over. */
  #listener: Listener | undefined;
  /** The message for those who sign it, or why they get none; and those who wait for it. */
  #toSign: Uint8Array | Error | undefined;
  #waiting: PromiseWithResolvers<Uint8Array> | undefined;
  #isAnswered = false;

  /** @param args - what it is opened with, on the channel that is current */
  constructor(channels: MutualTlsChannels, args: CreateCall, shown: Shown) {
    this.#channels = channels;
    this.#args = args;
    this.#shown = shown;
    this.#sent = this.#open();
  }

  start(metadata: Metadata, listener: Listener): void {
    const given = metadata.getMap();
    const key = this.#shown.keys.find((its) => Object.hasOwn(given, its));
    if (key !== undefined) {
      this.#neverBegin();
      throw new TypeError(`${key} is set by the credentials of this channel.`);
    }
    this.#said = { metadata: metadata.clone(), message: undefined, context: {}, reading: false, halfClosed: false };
    this.#listener = listener;
    this.#sent.call.start(metadata, this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#answered();
    this.#listener?.onReceiveMetadata(metadata);
  }

  onReceiveMessage(message: unknown): void {
    this.#answered();
    this.#listener?.onReceiveMessage(message);
  }

  onReceiveStatus(received: StatusObject): void {
    if (received.code === status.UNAUTHENTICATED && this.#mended(received) && this.#sendAgain()) return;
    this.#answered();
    const listener = this.#listener;
    // Grpc-js may hold a call that is over until the whole heap is collected, and this with it, but not all that hangs on it.
    this.#listener = undefined;
    this.#sent.presented = nothing;
    listener?.onReceiveStatus(received);
  }

  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    this.#sign(message);
    const once = calledOnce(context);
    const said = this.#said;
    if (said !== undefined && said.message === undefined) {
      said.message = message;
      said.context = once;
    } else {
      // A stream of requests is not kept: what has gone by cannot be sent again.
      this.#said = undefined;
    }
    this.#sent.call.sendMessageWithContext(once, message);
  }

  startRead(): void {
    if (this.#said !== undefined) this.#said.reading = true;
    this.#sent.call.startRead();
  }

  halfClose(): void {
    this.#neverSigned("A signature needs a message, and the call ended without one.");
    if (this.#said !== undefined) this.#said.halfClosed = true;
    this.#sent.call.halfClose();
  }

  cancelWithStatus(...args: Parameters<Call["cancelWithStatus"]>): void {
    this.#neverSigned("The call was cancelled before there was a message to sign.");
    this.#said = undefined;
    this.#sent.call.cancelWithStatus(...args);
  }

  setCredentials(): void {
    this.#neverBegin();
    throw new TypeError("The credentials of this channel cannot be replaced for one call.");
  }

  getPeer(): string {
    return this.#sent.call.getPeer();
  }

  getCallNumber(): number {
    return this.#sent.call.getCallNumber();
  }

  getAuthContext(): ReturnType<Call["getAuthContext"]> {
    return this.#sent.call.getAuthContext();
  }

  #open(): Sent {
    const call = this.#channels.channel().createCall(...this.#args);
    const { certificateThumbprint } = call;
    const sent: Sent = { call, presented: nothing };
    const message = () => {
      // Grpc-js makes no other attempt once there is an answer.
      if (this.#isAnswered) throw new Error("The call has been answered: there is nothing to sign.");
      if (this.#toSign instanceof Error) throw this.#toSign;
      if (this.#toSign !== undefined) return this.#toSign;
      this.#waiting ??= Promise.withResolvers();
      return this.#waiting.promise;
    };
    call.setCredentials(
      presenting(this.#shown.presenters, { path: this.#args[0], message, certificateThumbprint }, (presented) => {
        sent.presented = presented;
      }),
    );
    return sent;
  }

  /** The first message, and no other one. */
  #sign(message: Uint8Array): void {
    if (this.#toSign !== undefined) return;
    this.#toSign = message;
    this.#waiting?.resolve(message);
  }

  /** An error takes longer to make than a signature, so that none is made where nobody would get it. */
  #neverSigned(why: string): void {
    if (this.#toSign !== undefined) return;
    this.#toSign = new Error(why);
    this.#waiting?.reject(this.#toSign);
  }

  /** Whoever counts the calls of a channel would keep one that was opened and never began: this one ends before it begins. */
  #neverBegin(): void {
    const { call } = this.#sent;
    const unheard = () => undefined;
    call.cancelWithStatus(status.CANCELLED, "The call was never begun.");
    call.start(new Metadata(), { onReceiveMetadata: unheard, onReceiveMessage: unheard, onReceiveStatus: unheard });
  }

  #answered(): void {
    this.#said = undefined;
    this.#toSign = undefined;
    this.#isAnswered = true;
  }

  /** Tells the presenters, also where this call cannot be helped: the next one can. */
  #mended(refused: StatusObject): boolean {
    const reason = reasonOf(refused);
    const serverTimeSeconds = serverTimeOf(refused);
    const mended = this.#sent.presented.map((presented, at) => {
      try {
        return this.#shown.presenters[at]?.refused?.({ reason, serverTimeSeconds, presented }) ?? false;
      } catch {
        return false; // it has mended nothing, and what to throw at is grpc-js
      }
    });
    return mended.includes(true) && mendable.has(reason) && !wasLetIn(refused);
  }

  #sendAgain(): boolean {
    const said = this.#said;
    this.#said = undefined; // never more than once
    if (said?.message === undefined || !said.halfClosed || Number(this.#args[1]) <= Date.now()) return false;
    try {
      this.#sent = this.#open();
    } catch {
      return false; // the channels are closed
    }
    const { call } = this.#sent;
    call.start(said.metadata, this);
    if (said.reading) call.startRead();
    call.sendMessageWithContext(said.context, said.message);
    call.halfClose();
    return true;
  }
}

/** The callback of a write is for one write, however often its message is sent. */
function calledOnce(context: MessageContext): MessageContext {
  let { callback } = context;
  if (callback === undefined) return context;
  return {
    ...context,
    callback: (error) => {
      const call = callback;
      callback = undefined;
      call?.(error);
    },
  };
}
