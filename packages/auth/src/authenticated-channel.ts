import { type CallCredentials, type ChannelInterface, credentials, Metadata, status } from "@grpc/grpc-js";
import type { MutualTlsCall, MutualTlsChannels } from "@zero-trust/mtls";
import type { AttemptFacts, Presenter } from "./presenter.ts";

type Call = ReturnType<ChannelInterface["createCall"]>;
type Listener = Parameters<Call["start"]>[1];

/** A channel that outlives the connections below it: each call goes to whichever of them is current. */
export class AuthenticatedChannel implements ChannelInterface {
  readonly #channels: MutualTlsChannels;
  readonly #presenters: readonly Presenter[];
  readonly #named: ReadonlyMap<string, ReadonlySet<number>> | undefined;

  constructor(
    channels: MutualTlsChannels,
    presenters: readonly Presenter[],
    named: ReadonlyMap<string, ReadonlySet<number>> | undefined,
  ) {
    this.#channels = channels;
    this.#presenters = presenters;
    this.#named = named;
  }

  createCall(...args: Parameters<ChannelInterface["createCall"]>): Call {
    const [path] = args;
    const named = this.#named;
    const presenters = this.#presenters.filter(
      ({ credential }) => named === undefined || named.get(path)?.has(credential),
    );
    return new AuthenticatedCall(this.#channels.channel().createCall(...args), path, presenters);
  }

  close(): void {
    this.#channels.close();
  }

  getTarget(): string {
    return this.#channels.channel().getTarget();
  }

  getConnectivityState(tryToConnect: boolean): ReturnType<ChannelInterface["getConnectivityState"]> {
    return this.#channels.channel().getConnectivityState(tryToConnect);
  }

  watchConnectivityState(...args: Parameters<ChannelInterface["watchConnectivityState"]>): void {
    this.#channels.channel().watchConnectivityState(...args);
  }

  getChannelzRef(): ReturnType<ChannelInterface["getChannelzRef"]> {
    return this.#channels.channel().getChannelzRef();
  }
}

/** A call that shows its first message, as bytes, to whoever signs it. */
class AuthenticatedCall implements Call {
  readonly #call: Call;
  readonly #keys: readonly string[];
  readonly #message = Promise.withResolvers<Uint8Array>();

  constructor(call: MutualTlsCall, path: string, presenters: readonly Presenter[]) {
    this.#call = call;
    const { certificateThumbprint } = call;
    this.#keys = presenters.flatMap((presenter) => presenter.metadataKeys);
    const message = () => this.#message.promise;
    this.#message.promise.catch(() => undefined); // nobody may be waiting for it
    this.#call.setCredentials(presenting(presenters, { path, message, certificateThumbprint }));
  }

  start(metadata: Metadata, listener: Listener): void {
    for (const key of this.#keys) {
      if (metadata.get(key).length > 0) throw new TypeError(`${key} is set by the credentials of this channel.`);
    }
    this.#call.start(metadata, listener);
  }

  sendMessageWithContext(...args: Parameters<Call["sendMessageWithContext"]>): void {
    this.#message.resolve(args[1]);
    this.#call.sendMessageWithContext(...args);
  }

  setCredentials(): void {
    throw new TypeError("The credentials of this channel cannot be replaced for one call.");
  }

  cancelWithStatus(...args: Parameters<Call["cancelWithStatus"]>): void {
    this.#message.reject(new Error("The call was cancelled before there was a message to sign."));
    this.#call.cancelWithStatus(...args);
  }

  getPeer(): string {
    return this.#call.getPeer();
  }

  startRead(): void {
    this.#call.startRead();
  }

  halfClose(): void {
    this.#message.reject(new Error("A signature needs a message, and the call ended without one."));
    this.#call.halfClose();
  }

  getCallNumber(): number {
    return this.#call.getCallNumber();
  }

  getAuthContext(): ReturnType<Call["getAuthContext"]> {
    return this.#call.getAuthContext();
  }
}

/** Call credentials that ask the presenters anew at each attempt. */
function presenting(presenters: readonly Presenter[], attempt: AttemptFacts): CallCredentials {
  return credentials.createFromMetadataGenerator((_options, callback) => {
    const answer = async (): Promise<void> => {
      let metadata: Metadata;
      try {
        metadata = await collect(presenters, attempt);
      } catch (error) {
        // Without a second argument: with one, even `null`, grpc-js would send the call without credentials.
        // A new error, since not every error takes a `code` (a DOMException does not).
        const { message } = asError(error);
        callback(Object.assign(new Error(message, { cause: error }), { code: status.UNAVAILABLE }));
        return;
      }
      callback(null, metadata);
    };
    void answer();
  });
}

async function collect(presenters: readonly Presenter[], attempt: AttemptFacts): Promise<Metadata> {
  const metadata = new Metadata();
  for (const presenter of presenters) {
    for (const [key, value] of Object.entries(await presenter.present(attempt))) metadata.set(key, value);
  }
  return metadata;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("A credential could not be presented.");
}
