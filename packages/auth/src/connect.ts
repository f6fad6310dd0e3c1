import type { ChannelInterface } from "@grpc/grpc-js";
import { MutualTlsChannels } from "@zero-trust/mtls";
import { AuthenticatedChannel } from "./authenticated-channel.ts";
import type { ServicePolicy } from "./policy.ts";
import type { Presenter } from "./presenter.ts";

/** How calls are made, and what they present. */
export interface ConnectOptions {
  /** The way to the server: `mutualTlsChannels({…})`. There is no way to present anything over another. */
  readonly channels: MutualTlsChannels;
  /** The credentials: `apiKey({…})`, `bearer({…})`, `hmac({…})`. */
  readonly credentials: readonly Presenter[];
  /**
   * The policies of the server's methods, where known: then a method gets only the credentials that its rules name.
   * Needed where `hmac()` meets methods that stream requests: a signature waits for a first message that may never come.
   */
  readonly policies?: readonly ServicePolicy[];
}

/** Channels whose calls carry credentials. */
export interface AuthenticatedChannels {
  /** For `createClient()` of `@zero-trust/rpc`, or as `channelOverride` of any other grpc-js client. */
  channel(): ChannelInterface;
  /** The `host:port` of the server. */
  readonly target: string;
}

/**
 * Makes every call over these channels present credentials: per attempt, so that a retry has a fresh nonce, and below
 * everything that a call can be given, so that no option of a call takes them off. No credential is asked for before the
 * server has shown that it is the expected one.
 *
 * A call that is refused for a credential which can be mended (an expired token, a wrong clock) is made once more by itself
 * and within its deadline, where that is safe: it has one request message, its handler has not been called, and nothing has
 * come back. After any other refusal with UNAUTHENTICATED the next call presents what has been mended.
 *
 * When the certificate of the channels is replaced, calls show the former one until the next has a connection and its token, where
 * the former one is good and nothing that was trusted no longer is. So an issuer that is down meanwhile stops no call.
 *
 * @param options - the channels and the credentials
 * @throws TypeError when the channels are not mutual TLS, or two credentials set the same metadata
 * @example
 * ```ts
 * import { Client, credentials } from "@grpc/grpc-js";
 * import { apiKey, connect } from "@zero-trust/auth/client";
 * import type { MutualTlsChannels } from "@zero-trust/mtls";
 *
 * export function clientWithKey(channels: MutualTlsChannels, key: string): Client {
 *   const authenticated = connect({ channels, credentials: [apiKey({ key })] });
 *   return new Client(channels.target, credentials.createInsecure(), { channelOverride: authenticated.channel() });
 * }
 * ```
 */
export function connect(options: ConnectOptions): AuthenticatedChannels {
  const { channels, credentials: presenters, policies } = options;
  if (!(channels instanceof MutualTlsChannels)) {
    throw new TypeError("Credentials go over mutual TLS alone: make the channels with mutualTlsChannels().");
  }
  const keys = presenters.flatMap((presenter) => presenter.metadataKeys);
  if (new Set(keys).size !== keys.length) throw new TypeError("Two credentials would set the same metadata key.");
  const named = policies === undefined ? undefined : index(policies);
  const isNamed = ({ credential }: Presenter) =>
    named === undefined || named.values().some((credentials) => credentials.has(credential));
  for (const presenter of presenters.filter(isNamed)) {
    channels.prepareWith((certificateThumbprint) => presenter.prepare?.({ certificateThumbprint }));
  }
  const channel = new AuthenticatedChannel(channels, presenters, named);
  return { channel: () => channel, target: channels.target };
}

function index(policies: readonly ServicePolicy[]): ReadonlyMap<string, ReadonlySet<number>> {
  const methods = policies.flat();
  return new Map(methods.map(({ path, rules }) => [path, new Set(rules.flatMap((rule) => rule.credentials))]));
}
