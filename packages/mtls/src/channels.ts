import { createSecureContext } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { expectServer } from "./server-identity.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { REJECT_UNAUTHORIZED, secureContextOptions } from "./tls-policy.ts";

/** Where to and as whom. */
export interface MutualTlsChannelsOptions {
  readonly identity: TlsIdentity;
  /** `host:port` or any target that grpc-js resolves. */
  readonly target: string;
  /** The SPIFFE ID that the server must have. */
  readonly serverId: string;
  /** Sizes, ages, retries; what {@link mutualTlsChannels} fixes for safety is refused. */
  readonly channelOptions?: grpc.ChannelOptions;
}

/** Largest message in either direction, bytes. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** Largest metadata of an answer, bytes. */
const MAX_METADATA_BYTES = 16 * 1024;

const DEFAULTS: grpc.ChannelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_metadata_size": MAX_METADATA_BYTES,
};

const FIXED: grpc.ChannelOptions = {
  // The global pool compares credentials loosely and may hand a client another one's connection.
  "grpc.use_local_subchannel_pool": 1,
  // Otherwise the variable https_proxy reroutes the connection.
  "grpc.enable_http_proxy": 0,
  // Otherwise a DNS TXT record may bring a retry policy.
  "grpc.service_config_disable_resolution": 1,
  // It prints what is inside of TLS.
  "grpc-node.tls_enable_trace": 0,
};

/** Read by grpc-js to say whom the certificate is checked for: decided by `serverId` alone. */
const OURS = ["grpc.ssl_target_name_override", "grpc.http_connect_target"];

/** A channel over mutual TLS, or the one that takes its place when certificates change: ask for it on each call. */
export class MutualTlsChannels {
  readonly target: string;
  readonly #identity: TlsIdentity;
  readonly #server: ReturnType<typeof expectServer>;
  readonly #channelOptions: grpc.ChannelOptions;
  #channel: grpc.Channel | undefined;
  #closed = false;

  /** For {@link mutualTlsChannels}. It opens the channels itself, so that none of this class can be anything else. */
  constructor({ identity, target, serverId, channelOptions = {} }: MutualTlsChannelsOptions) {
    this.target = target;
    this.#identity = identity;
    this.#server = expectServer(serverId);
    this.#channelOptions = channelOptions;
    for (const name of [...Object.keys(FIXED), ...OURS]) {
      if (name in channelOptions && channelOptions[name] !== FIXED[name]) {
        throw new TypeError(`The channel option ${name} is fixed by mutual TLS; leave it out.`);
      }
    }
  }

  /** @throws {Error} after close() */
  channel(): grpc.ChannelInterface {
    if (this.#closed) {
      throw new Error(`The channels to ${this.target} are closed.`);
    }
    this.#channel ??= this.#open();
    return this.#channel;
  }

  /** Ends the connection; calls under way end as CANCELLED or UNAVAILABLE. */
  close(): void {
    this.#closed = true;
    this.#channel?.close();
    this.#channel = undefined;
  }

  #open(): grpc.Channel {
    const { servername, checkServerIdentity } = this.#server;
    const context = createSecureContext(secureContextOptions(this.#identity));
    const verify = { checkServerIdentity, rejectUnauthorized: REJECT_UNAUTHORIZED };
    return new grpc.Channel(this.target, grpc.credentials.createFromSecureContext(context, verify), {
      ...DEFAULTS,
      ...this.#channelOptions,
      ...FIXED,
      "grpc.ssl_target_name_override": servername,
    });
  }
}

/**
 * Makes channels to one workload. The server must present an X509-SVID of our CA with exactly the SPIFFE ID `serverId`; its
 * host name decides nothing. No call and no credential leaves before that.
 *
 * @throws {TypeError} when `serverId` is not a workload's SPIFFE ID, or an option would weaken the channel
 *
 * @example
 * const channels = mutualTlsChannels({
 *   identity: identityFromDirectory("/run/secrets/tls"),
 *   target: "payment:8443",
 *   serverId: "spiffe://production.internal/payment-service",
 * });
 */
export function mutualTlsChannels(options: MutualTlsChannelsOptions): MutualTlsChannels {
  return new MutualTlsChannels(options);
}
