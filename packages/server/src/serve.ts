import * as grpc from "@grpc/grpc-js";
import { Credential, type DecisionEvent, definePolicy, type Rule, type ServicePolicy } from "@zero-trust/auth";
import { type ProtectOptions, protect } from "@zero-trust/auth/server";
import {
  hardenedServerOptions,
  type MutualTlsServerOptions,
  mutualTlsServer,
  type TlsIdentity,
} from "@zero-trust/mtls";
import { type CallLimitsOptions, callLimits } from "@zero-trust/rpc";
import { ConfigError } from "./config.ts";
import { ServerReflection as ReflectionService } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionServiceAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { Health as HealthService } from "./gen/health/v1/health_pb.ts";
import { coverGaps } from "./grpc-js-internals.ts";
import { createHealth } from "./health.ts";
import { listenError } from "./listen-error.ts";
import { decisionLog, type Log, recordLog } from "./log.ts";
import { type ReadinessCheck, watchReadiness } from "./readiness.ts";
import { createReflection } from "./reflection.ts";
import { type ServiceEntry, service } from "./service.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";

/** The credentials of one call take about 3 KiB (a token of 1-2 KiB and a signature); the rest is for tracing. */
const MAX_METADATA_BYTES = 16 * 1024;
const MAX_METADATA_ENTRIES = 64;
/**
 * A process of a workload needs a connection, two while its certificate changes; a fleet of one workload has some processes. Each
 * connection may hold 100 unfinished messages in memory, so their number is the bound of what one workload can take.
 */
const MAX_CONNECTIONS_PER_PEER = 20;
/**
 * How many calls a connection may cancel at once: twice the 1 500 of a busy gateway whose callers all give up together, which
 * Node's own bound of 1 000 answers by ending the connection, and every other call on it. A flood passes it within the
 * second, and pays with its connection (CVE-2023-44487, "rapid reset").
 */
const STREAM_RESET_BURST = 3_000;
/** And how many a second for ever: all its streams, each with a deadline of a second. */
const STREAM_RESETS_PER_SECOND = 100;
/** Calls that are running when the server closes may take this long; it is below what an orchestrator allows (30 s). */
const DRAIN_MS = 20_000;

/** How often the server asks what it depends on: a fraction of what a probe waits between two of its own. */
const READINESS_MS = 500;
/** A probe gives up after a second (the default of Kubernetes), so what answers later is as good as down. */
const READINESS_TIMEOUT_MS = 1_000;

/** The bounds of a server that a deployment may set; each has a default. */
export interface ServeLimits
  extends CallLimitsOptions,
    Pick<
      MutualTlsServerOptions,
      "handshakeTimeoutMs" | "maxConnections" | "maxConnectionsPerPeer" | "maxPendingHandshakes"
    > {
  /** The largest message that a caller may send, bytes; 1 MiB unless given. */
  readonly maxMessageBytes?: number;
  /** How old a connection may be that takes new calls, in milliseconds; 5 min unless given. */
  readonly connectionAgeMs?: number;
  /** How long the calls of a connection that is too old may go on, in milliseconds; 5 min unless given. */
  readonly connectionAgeGraceMs?: number;
  /** How long a connection may be without a call, in milliseconds; 5 min unless given. */
  readonly connectionIdleMs?: number;
}

/** What a server is built from. */
export interface ServeOptions {
  /**
   * Where everything is written; decisions and refused connections are, whatever its level. A call whose decision it cannot take is refused,
   * unless `decisions` keeps it.
   */
  readonly log: Log;
  /** The certificate that the server shows, and the authorities that it trusts. */
  readonly identity: TlsIdentity;
  /** The address to listen on: a host name or an IP address. */
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Who may call; the policies come from the services, and the decisions go to the log. */
  readonly protect: Omit<ProtectOptions, "policies" | "onDecision">;
  /**
   * Gets every decision before its call goes on, besides the log: `decisionFile(path).write`. What it throws or rejects with
   * refuses the call, and so does a promise that is not kept in time, so that nothing is done that is not on record.
   */
  readonly decisions?: ((event: DecisionEvent) => void | Promise<void>) | undefined;
  /** What is served, besides health. */
  readonly services: readonly ServiceEntry[];
  /**
   * What calls cannot be checked or served without, by the name that the log gives it: health says SERVING while all of it
   * says true. A check that throws, or takes more than 1 s, says no.
   */
  readonly readiness?: Readonly<Record<string, ReadinessCheck>>;
  /**
   * Whether the server describes its services to those who ask (gRPC Server Reflection): not at all unless given, to
   * whoever the deployment knows with `true`, to others by rules.
   */
  readonly reflection?: true | { readonly rules: readonly Rule[] };
  /** Measures and traces calls, decisions and connections: `startTelemetry({…})`. */
  readonly telemetry?: Telemetry | undefined;
  /** How much one caller, and all of them, may take. */
  readonly limits?: ServeLimits;
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
 * Serves gRPC over mutual TLS. This is the one place that fixes what a call passes, in this order: TLS, telemetry, time limits, decision log,
 * authentication and authorization (unregistered methods too), decoding, validation, handler.
 *
 * @throws PolicyError when a method has no policy that can be met; ConfigError when it cannot listen, or its certificate is of
 * another trust domain than its callers'
 * @example
 * ```ts
 * import { Credential, definePolicy } from "@zero-trust/auth";
 * import { grantsFile } from "@zero-trust/auth/stores/file";
 * import { identityFromDirectory } from "@zero-trust/mtls";
 * import { createLog, type Serving, serve, service } from "@zero-trust/server";
 * import { PingService, pingHandlers } from "@zero-trust/testkit";
 *
 * const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
 * const policy = definePolicy(PingService, { ping: rules, pingMany: rules, pingSum: rules, pingEach: rules });
 *
 * export function servePing(isReady: () => Promise<boolean>): Promise<Serving> {
 *   return serve({
 *     log: createLog({ name: "ping" }),
 *     identity: identityFromDirectory("/run/secrets/tls"),
 *     host: "127.0.0.1",
 *     port: 8443,
 *     protect: { trustDomain: "production.internal", grants: grantsFile("grants.json"), credentials: [] },
 *     services: [service(PingService, pingHandlers(), { policy })],
 *     readiness: { store: isReady },
 *   });
 * }
 * ```
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { log, identity, host, drainMs = DRAIN_MS, limits = {}, telemetry } = options;
  checkTrustDomain(identity.spiffeId, options.protect.trustDomain);
  const health = createHealth();
  const entries = withReflection(options.reflection, [
    ...options.services,
    service(HealthService, health.handlers, { policy: healthPolicy }),
  ]);
  const server = createServer(
    options,
    entries.map((entry) => entry.policy),
  );
  for (const entry of entries) entry.addTo(server, log);

  const connectionLog = recordLog(log, "connection");
  const tls = mutualTlsServer({
    maxConnectionsPerPeer: MAX_CONNECTIONS_PER_PEER,
    ...limits,
    identity,
    server,
    drainMs,
    onRefused({ time, ...event }) {
      telemetry?.count("zt.handshakes.refused", { cause: event.cause });
      connectionLog.warn({ at: time, ...event }, "handshake refused");
    },
  });
  const port = await tls.listen({ host, port: options.port }).catch((error: unknown) => {
    server.forceShutdown();
    throw listenError(error, { host, port: options.port });
  });

  let isReady = false;
  telemetry?.observeIdentity(identity);
  telemetry?.observe("zt.connections", () => tls.connections);
  telemetry?.observe("zt.ready", () => (isReady ? 1 : 0));
  const names = ["", ...options.services.map(({ descriptor }) => descriptor.typeName)];
  const readiness = watchReadiness({
    checks: options.readiness ?? {},
    log,
    onAnswer(ready) {
      isReady = ready;
      for (const name of names) health.set(name, ready);
    },
    timeoutMs: READINESS_TIMEOUT_MS,
    everyMs: READINESS_MS,
  });
  await readiness.asked;
  const lifecycle = recordLog(log, "lifecycle");
  lifecycle.info({ host, port, spiffeId: identity.spiffeId }, "listening");

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
    readiness.stop();
    isReady = false;
    // First, so that whoever watches sends its calls elsewhere before they are refused.
    health.shutdown();
    await tls.close();
    // Nothing is left to shut down but the server's own books.
    server.forceShutdown();
    if (performance.now() - startedMs >= drainMs)
      lifecycle.warn({ drainMs }, "calls were still running and were cut off");
  }
}

/** Such a server would refuse everybody, one call at a time. */
function checkTrustDomain(spiffeId: string, trustDomain: string): void {
  if (spiffeId.startsWith(`spiffe://${trustDomain}/`)) return;
  throw new ConfigError(
    `The certificate is of ${spiffeId}, and callers are to be of the trust domain ${trustDomain}; choose another with ZT_TRUST_DOMAIN, or another certificate.`,
  );
}

/** Health, and reflection unless it has rules, is for whoever the deployment knows, and carries no scope. */
const mutualTls = [{ credentials: [Credential.MTLS], scopes: [] }] as const;

/** A server that cannot count calls is well all the same: nothing that asks for its health is to end it. */
const healthPolicy: ServicePolicy = definePolicy(HealthService, {
  check: mutualTls,
  list: mutualTls,
  watch: mutualTls,
}).map((method) => ({ ...method, isProbe: true }));

function withReflection(
  reflection: ServeOptions["reflection"],
  entries: readonly ServiceEntry[],
): readonly ServiceEntry[] {
  if (reflection === undefined) return entries;
  const rules = reflection === true ? mutualTls : reflection.rules;
  const versions = [ReflectionService, ReflectionServiceAlpha];
  const { handlers, handlersAlpha } = createReflection([...entries.map(({ descriptor }) => descriptor), ...versions]);
  return [
    ...entries,
    service(ReflectionService, handlers, {
      policy: definePolicy(ReflectionService, { serverReflectionInfo: rules }),
    }),
    service(ReflectionServiceAlpha, handlersAlpha, {
      policy: definePolicy(ReflectionServiceAlpha, { serverReflectionInfo: rules }),
    }),
  ];
}

function createServer(options: ServeOptions, policies: readonly ServicePolicy[]): grpc.Server {
  const writeDecision = decisionLog(options.log);
  const connectionLog = recordLog(options.log, "connection");
  const { limits = {}, telemetry } = options;
  const methods = new Set(policies.flat().map(({ path }) => path));
  const { connectionAgeMs, connectionAgeGraceMs, connectionIdleMs, maxMessageBytes } = limits;
  const server = new grpc.Server({
    ...hardenedServerOptions({
      ...(maxMessageBytes === undefined ? {} : { "grpc.max_receive_message_length": maxMessageBytes }),
      ...(connectionAgeMs === undefined ? {} : { "grpc.max_connection_age_ms": connectionAgeMs }),
      ...(connectionAgeGraceMs === undefined ? {} : { "grpc.max_connection_age_grace_ms": connectionAgeGraceMs }),
      ...(connectionIdleMs === undefined ? {} : { "grpc.max_connection_idle_ms": connectionIdleMs }),
    }),
    // From the wire inwards.
    interceptors: [
      ...(telemetry === undefined ? [] : [telemetry.serve(methods)]),
      callLimits({ onError: (err, method) => options.log.error({ err, method }, "call failed"), ...limits }),
      protect({
        ...options.protect,
        policies: [...policies],
        onMeasure(measure) {
          telemetry?.measured(measure);
          options.protect.onMeasure?.(measure);
        },
        onDecision(decision) {
          telemetry?.decided(decision);
          const kept = options.decisions?.(decision);
          try {
            writeDecision(decision);
          } catch (error) {
            // What is kept elsewhere is on record all the same.
            if (options.decisions === undefined) throw error;
          }
          return kept;
        },
      }),
    ],
  });
  coverGaps(server, {
    maxMetadataBytes: MAX_METADATA_BYTES,
    maxMetadataEntries: MAX_METADATA_ENTRIES,
    resetBurst: STREAM_RESET_BURST,
    resetsPerSecond: STREAM_RESETS_PER_SECOND,
    onLargeMetadata: (remoteAddress) =>
      connectionLog.warn({ remoteAddress, cause: "METADATA_TOO_LARGE" }, "call refused"),
  });
  return server;
}
