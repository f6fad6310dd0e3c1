import type { DescService } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { Credential, definePolicy, policyOf, type ServicePolicy } from "@zero-trust/auth";
import { type ProtectOptions, protect } from "@zero-trust/auth/server";
import { mutualTlsServer, type TlsIdentity } from "@zero-trust/mtls";
import { addService, type Handlers } from "@zero-trust/rpc";
import { Health as HealthService } from "./gen/health/v1/health_pb.ts";
import { coverGaps } from "./grpc-js-internals.ts";
import { createHealth } from "./health.ts";
import { listenError } from "./listen-error.ts";
import { type Log, recordLog } from "./log.ts";

/** No message of these services is near it; what is larger was not meant for them. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** The credentials of one call take about 3 KiB (a token of 1-2 KiB and a signature); the rest is for tracing. */
const MAX_METADATA_BYTES = 16 * 1024;
const MAX_METADATA_ENTRIES = 64;
/** HTTP/2 leaves it open (2^32 - 1), and every stream costs memory before anybody is authenticated (RFC 9113, 6.5.2). */
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
/** Calls that are running when the server closes may take this long; it is below what an orchestrator allows (30 s). */
const DRAIN_MS = 20_000;

/** How often the server asks whether it is ready: a fraction of what a probe waits between two of its own. */
const READINESS_MS = 500;

/** One service of a server: its contract, what it does, and who may call it. */
export interface ServiceEntry {
  readonly descriptor: DescService;
  readonly policy: ServicePolicy;
  addTo(server: grpc.Server, log: Log): void;
}

/** What a server is built from. */
export interface ServeOptions {
  /** Where everything is written; decisions and refused connections are, whatever its level. */
  readonly log: Log;
  /** The certificate that the server shows, and the authorities that it trusts. */
  readonly identity: TlsIdentity;
  /** The address to listen on: a host name or an IP address. */
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Who may call; the policies come from the services, and the decisions go to the log. */
  readonly protect: Omit<ProtectOptions, "policies" | "onDecision">;
  /** What is served, besides health. */
  readonly services: readonly ServiceEntry[];
  /** Whether calls can be checked and served; health says so. Ready at once unless given. */
  readonly isReady?: () => boolean;
  /** How long running calls may take when the server closes, in milliseconds; 20 s unless given. */
  readonly drainMs?: number;
}

/** A server that listens. */
export interface Serving {
  /** The port that the server listens on. */
  readonly port: number;
  /** Drains: health says NOT_SERVING, no new connections or calls, running calls end, what is left is cut off. */
  close(): Promise<void>;
}

/**
 * Names a service to serve, with its handlers; its policy comes from its .proto unless given.
 */
export function service<S extends DescService>(
  descriptor: S,
  handlers: Handlers<S>,
  options: { readonly policy?: ServicePolicy } = {},
): ServiceEntry {
  return {
    descriptor,
    policy: options.policy ?? policyOf(descriptor),
    addTo(server, log) {
      addService(server, descriptor, handlers, {
        onError: (err, { method }) => log.error({ err, method }, "handler failed"),
      });
    },
  };
}

/**
 * Serves gRPC over mutual TLS. This is the one place that fixes what a call passes, in this order: TLS, decision log,
 * authentication and authorization (unregistered methods too), decoding, validation, handler.
 *
 * @throws PolicyError when a method has no policy that can be met; ConfigError when it cannot listen
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { log, identity, host, drainMs = DRAIN_MS } = options;
  const health = createHealth();
  const entries = [
    ...options.services,
    service(HealthService, health.handlers, {
      policy: definePolicy(HealthService, { check: mutualTls, list: mutualTls, watch: mutualTls }),
    }),
  ];
  const server = createServer(
    options,
    entries.map((entry) => entry.policy),
  );
  for (const entry of entries) entry.addTo(server, log);

  const connectionLog = recordLog(log, "connection");
  const tls = mutualTlsServer({
    identity,
    server,
    drainMs,
    onRefused: ({ time, ...event }) => connectionLog.warn({ at: time, ...event }, "handshake refused"),
  });
  const port = await tls.listen({ host, port: options.port }).catch((error: unknown) => {
    server.forceShutdown();
    throw listenError(error, { host, port: options.port });
  });

  const { isReady = () => true } = options;
  const names = ["", ...options.services.map(({ descriptor }) => descriptor.typeName)];
  const tellHealth = () => {
    const ready = isReady();
    for (const name of names) health.set(name, ready);
  };
  tellHealth();
  const readiness = setInterval(tellHealth, READINESS_MS).unref();
  log.info({ host, port, spiffeId: identity.spiffeId }, "listening");

  let closing: Promise<void> | undefined;
  return {
    port,
    close() {
      closing ??= drain();
      return closing;
    },
  };

  async function drain(): Promise<void> {
    const startedMs = performance.now();
    clearInterval(readiness);
    health.shutdown();
    await tls.close();
    // Nothing is left to shut down but the server's own books.
    server.forceShutdown();
    if (performance.now() - startedMs >= drainMs) log.warn({ drainMs }, "calls were still running and were cut off");
  }
}

/** Health is for whoever the deployment knows, and carries no scope. */
const mutualTls = [{ credentials: [Credential.MTLS], scopes: [] }] as const;

function createServer(options: ServeOptions, policies: readonly ServicePolicy[]): grpc.Server {
  const decisionLog = recordLog(options.log, "decision");
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_concurrent_streams": MAX_STREAMS_PER_CONNECTION,
    "grpc.max_connection_age_ms": MAX_CONNECTION_AGE_MS,
    "grpc.max_connection_age_grace_ms": MAX_CONNECTION_AGE_GRACE_MS,
    "grpc.max_connection_idle_ms": MAX_CONNECTION_IDLE_MS,
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    "grpc-node.max_session_memory": MAX_SESSION_MEMORY_MB,
    interceptors: [
      protect({
        ...options.protect,
        policies: [...policies],
        onDecision: ({ time: _, ...event }) => decisionLog.info(event, "decision"),
      }),
    ],
  });
  coverGaps(server, { maxMetadataBytes: MAX_METADATA_BYTES, maxMetadataEntries: MAX_METADATA_ENTRIES });
  return server;
}
