import type * as grpc from "@grpc/grpc-js";
import { ChannelGeneration } from "./channel-generation.ts";
import { CHANNEL_FIXED } from "./grpc-options.ts";
import { grpcTarget } from "./grpc-target.ts";
import { type ExpectedServer, expectServer, type ServerRule } from "./server-identity.ts";
import { type Preparation, succession } from "./succession.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { DEFAULT_MAX_INTERMEDIATES } from "./tls-policy.ts";
import type { Trust } from "./trust.ts";

/** Where to and as whom. */
export interface MutualTlsChannelsOptions {
  readonly identity: TlsIdentity;
  /**
   * `host:port`, where the host may be a name of several addresses, or any other target that grpc-js resolves; or several
   * `address:port`. Whichever of them is called, it must be `serverId`.
   */
  readonly target: string | readonly string[];
  /** Whom the server must be: a SPIFFE ID, or a rule: `spiffeId()`, `dnsName()`, `allOf()`. */
  readonly serverId: string | ServerRule;
  /** Certificates between the server's and the root; default 1. */
  readonly maxIntermediates?: number;
  /** Sizes, ages, retries; what {@link mutualTlsChannels} fixes for safety is refused. */
  readonly channelOptions?: grpc.ChannelOptions;
}

type Call = ReturnType<grpc.ChannelInterface["createCall"]>;

/** A call, and the certificate that its connection shows: what is bound to a certificate has to be bound to this one. */
export type MutualTlsCall = Call & {
  /** Base64url SHA-256 of our certificate's DER: `x5t#S256` (RFC 8705 §3.1). */
  readonly certificateThumbprint: string;
};

type CreateCall = Parameters<grpc.ChannelInterface["createCall"]>;

/** A channel whose calls tell which certificate they show. */
export interface MutualTlsChannel extends Omit<grpc.ChannelInterface, "createCall"> {
  createCall(...args: CreateCall): MutualTlsCall;
}

/** Read by grpc-js to say whom the certificate is checked for: decided by `serverId` alone. */
const OURS = ["grpc.ssl_target_name_override", "grpc.http_connect_target"];

/**
 * What a server of ours lets a connection live with the calls on it (age and grace): what still runs on a connection of
 * a former certificate after that is cut off.
 */
const RETIRE_MS = 10 * 60_000;
/** The same where the former connection is one that we might not make any more: revocation is to be effective within 30 s. */
const DISTRUST_MS = 25_000;

/**
 * Channels over mutual TLS, one for each version of our certificate. One that takes the place of another has a connection, and what
 * was to be prepared for it, before a call is made on it; the former one is closed when its last call has ended.
 */
export class MutualTlsChannels {
  readonly target: string;
  readonly #identity: TlsIdentity;
  readonly #server: ExpectedServer;
  readonly #channelOptions: grpc.ChannelOptions;
  readonly #channel: MutualTlsChannel;
  readonly #former = new Set<ChannelGeneration>();
  readonly #preparations: Preparation[] = [];
  readonly #unfollow: () => void;
  #current: ChannelGeneration | undefined;
  /** What is to take its place, and what gives that up. */
  #next: { readonly generation: ChannelGeneration; readonly over: AbortController } | undefined;
  /** What was trusted when it was last looked at which channel is the right one. */
  #followed: Trust | undefined;
  #closed = false;

  /** For {@link mutualTlsChannels}. It opens the channels itself, so that none of this class can be anything else. */
  constructor(options: MutualTlsChannelsOptions) {
    const { identity, target, serverId, channelOptions = {} } = options;
    this.target = grpcTarget(target);
    this.#identity = identity;
    const { maxIntermediates = DEFAULT_MAX_INTERMEDIATES } = options;
    this.#server = expectServer(serverId, { identityRule: identity.identityRule, maxIntermediates });
    this.#channelOptions = channelOptions;
    for (const name of [...Object.keys(CHANNEL_FIXED), ...OURS]) {
      if (name in channelOptions && channelOptions[name] !== CHANNEL_FIXED[name]) {
        throw new TypeError(`The channel option ${name} is fixed by mutual TLS; leave it out.`);
      }
    }
    this.#unfollow = identity.onChange(() => this.#follow());
    this.#channel = {
      createCall: (...args) => this.#generation().createCall(...args),
      getTarget: () => this.#generation().channel.getTarget(),
      getConnectivityState: (tryToConnect) => this.#generation().channel.getConnectivityState(tryToConnect),
      watchConnectivityState: (...args) => this.#generation().channel.watchConnectivityState(...args),
      getChannelzRef: () => this.#generation().channel.getChannelzRef(),
      close: () => this.close(),
    };
  }

  /**
   * The channel: one and the same whatever becomes of the certificates, so that a client may keep it.
   *
   * @throws {Error} after close()
   */
  channel(): MutualTlsChannel {
    this.#assertOpen();
    return this.#channel;
  }

  /**
   * Has something done before calls show a certificate that takes the place of another, such as asking for a token that is bound to it.
   * Until then they show the former one: as long as that is good, it has a connection, and nothing that was trusted no longer is.
   *
   * @param prepare - gets the certificate's thumbprint, as calls tell it; where it throws or rejects it is tried again after a second,
   *   and a warning says once that the certificate is not used yet
   *
   * @example
   * ```ts
   * import type { MutualTlsChannels } from "@zero-trust/mtls";
   *
   * export function withTokens(channels: MutualTlsChannels, tokenFor: (thumbprint: string) => Promise<string>): void {
   *   channels.prepareWith(tokenFor);
   * }
   * ```
   */
  prepareWith(prepare: (certificateThumbprint: string) => unknown): void {
    this.#preparations.push(prepare);
  }

  /** When the certificate that calls show ends, epoch milliseconds; undefined while there is no channel. */
  get expiresAtMs(): number | undefined {
    return this.#current?.expiresAtMs;
  }

  /** Ends the connections; calls under way end as CANCELLED or UNAVAILABLE. */
  close(): void {
    this.#closed = true;
    this.#unfollow();
    this.#abandon();
    for (const generation of [this.#current, ...this.#former]) generation?.close();
    this.#current = undefined;
    this.#former.clear();
  }

  #generation(): ChannelGeneration {
    this.#assertOpen();
    // Changed just now, and somebody who was told before us makes a call.
    this.#follow();
    this.#current ??= this.#open();
    return this.#current;
  }

  #open(): ChannelGeneration {
    this.#followed = this.#identity.trust;
    const generation = new ChannelGeneration({
      target: this.target,
      identity: this.#identity,
      server: this.#server,
      channelOptions: this.#channelOptions,
      onServerExpired: () => {
        if (generation !== this.#current && generation !== this.#next?.generation) return;
        this.#abandon();
        this.#retire(DISTRUST_MS);
      },
    });
    return generation;
  }

  /** Looks which channel is the right one, where the certificates have changed since it last did. */
  #follow(): void {
    const current = this.#current;
    const { trust } = this.#identity;
    if (current === undefined || this.#followed === trust) return;
    this.#abandon();
    if (trust.tightens(current.trust)) this.#retire(DISTRUST_MS);
    // Whoever waits for a connection may as well wait for one of the new certificate.
    else if (!current.isConnected) this.#retire(RETIRE_MS);
    else this.#succeed(current);
  }

  #succeed(current: ChannelGeneration): void {
    const next = this.#open();
    const over = new AbortController();
    this.#next = { generation: next, over };
    const onHeldUp = (why: string) =>
      process.emitWarning(`Calls to ${this.target} show the former certificate: ${why}.`, {
        code: "ZERO_TRUST_CERTIFICATE_NOT_USED",
      });
    const { signal } = over;
    void succession({ current, next, preparations: this.#preparations, onHeldUp, signal }).then(() => {
      if (signal.aborted) return;
      this.#next = undefined;
      over.abort();
      this.#retire(RETIRE_MS);
      this.#current = next;
    });
  }

  #abandon(): void {
    this.#next?.over.abort();
    this.#next?.generation.close();
    this.#next = undefined;
  }

  /** The next call opens a channel with the certificates of now. */
  #retire(afterMs: number): void {
    const former = this.#current;
    if (former === undefined) {
      return;
    }
    this.#current = undefined;
    this.#former.add(former);
    former.retire(afterMs, () => this.#former.delete(former));
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw new Error(`The channels to ${this.target} are closed.`);
    }
  }
}

/**
 * Makes channels to one server, which must have a certificate of our CA that meets `serverId`: for a SPIFFE ID, an X509-SVID
 * with exactly this one, whatever its host name. No call and no credential leaves before that.
 *
 * @throws {TypeError} when `serverId` is not a workload's SPIFFE ID, an option would weaken the channel, or several addresses
 *   are not all IP addresses of one family
 *
 * @example
 * ```ts
 * import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
 *
 * const channels = mutualTlsChannels({
 *   identity: identityFromDirectory("/run/secrets/tls"),
 *   target: "payment:8443",
 *   serverId: "spiffe://production.internal/payment-service",
 * });
 * ```
 */
export function mutualTlsChannels(options: MutualTlsChannelsOptions): MutualTlsChannels {
  return new MutualTlsChannels(options);
}
