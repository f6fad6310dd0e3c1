import type { ChannelOptions, ServerOptions } from "@grpc/grpc-js";

/** No message of these services is near it; what is larger was not meant for them. Bytes. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** HTTP/2 leaves it open (2^32 - 1), and every stream costs memory before anybody is authenticated (RFC 9113 §6.5.2). */
const MAX_STREAMS_PER_CONNECTION = 100;
/** In MB: every stream of a connection with one message of full size; grpc-js would set no bound. */
const MAX_SESSION_MEMORY_MB = 128;
/**
 * A connection of this age takes no new calls: they come over a new one, whose certificate is checked against the
 * authorities and revocation lists of now. Calls that are running go on until the grace is over.
 */
const MAX_CONNECTION_AGE_MS = 5 * 60_000;
/** What still runs then is cut off, since a stream without an end would keep a peer that is no longer trusted; unlimited unless set. */
const MAX_CONNECTION_AGE_GRACE_MS = 5 * 60_000;
/** An idle connection is a socket that somebody else could use. */
const MAX_CONNECTION_IDLE_MS = 5 * 60_000;
/** A peer that vanished without a word is noticed, though its streams are open and the idle time does not run. */
const KEEPALIVE_TIME_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;
/**
 * A server that is back after an outage is found within about this time; grpc-js waits longer after each attempt that fails, up to two
 * minutes, and fails every call meanwhile. An attempt is one connection of one client.
 */
const MAX_RECONNECT_BACKOFF_MS = 10_000;
/**
 * A name is looked up again when a connection ends, which its age sees to every five minutes, and not more often than this: a
 * replica that came in another's place is found within seconds. grpc-js would wait half a minute.
 */
const MIN_TIME_BETWEEN_RESOLUTIONS_MS = 5_000;

/**
 * How a grpc-js server is bounded, for `new grpc.Server()`: grpc-js and Node leave almost all of it open.
 *
 * @param overrides - what this server needs otherwise
 *
 * @example
 * ```ts
 * import { Server } from "@grpc/grpc-js";
 * import { hardenedServerOptions } from "@zero-trust/mtls";
 *
 * const server = new Server(hardenedServerOptions({ "grpc.max_receive_message_length": 4096 }));
 * ```
 */
export function hardenedServerOptions(overrides: ServerOptions = {}): ServerOptions {
  return {
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_concurrent_streams": MAX_STREAMS_PER_CONNECTION,
    "grpc.max_connection_age_ms": MAX_CONNECTION_AGE_MS,
    "grpc.max_connection_age_grace_ms": MAX_CONNECTION_AGE_GRACE_MS,
    "grpc.max_connection_idle_ms": MAX_CONNECTION_IDLE_MS,
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc-node.max_session_memory": MAX_SESSION_MEMORY_MB,
    // An option that is undefined would lift the bound.
    ...Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined)),
  };
}

/**
 * How a channel is bounded unless its maker says otherwise. Without pings: Node sends none on a connection that is closing, which
 * grpc-js takes for one that is dead, so that they would cut off the streams which a server lets end. Calls have deadlines.
 */
export const CHANNEL_DEFAULTS: ChannelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_reconnect_backoff_ms": MAX_RECONNECT_BACKOFF_MS,
  "grpc.dns_min_time_between_resolutions_ms": MIN_TIME_BETWEEN_RESOLUTIONS_MS,
  // Books of every call that nobody reads. A server keeps its own, without which forceShutdown() of grpc-js 1.14 ends no connection.
  "grpc.enable_channelz": 0,
};

/** What no maker of a channel can change. */
export const CHANNEL_FIXED: ChannelOptions = {
  // The global pool compares credentials loosely and may hand a client another one's connection.
  "grpc.use_local_subchannel_pool": 1,
  // Otherwise the variable https_proxy reroutes the connection.
  "grpc.enable_http_proxy": 0,
  // Otherwise a DNS TXT record may bring a retry policy.
  "grpc.service_config_disable_resolution": 1,
  // It prints what is inside of TLS.
  "grpc-node.tls_enable_trace": 0,
};
