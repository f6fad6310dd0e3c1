import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:https";
import { engineOf } from "@zero-trust/database";
import { mutualTlsHttpsServer, PeerError, type TlsIdentity } from "@zero-trust/mtls";
import { type Log, recordLog, type Telemetry } from "@zero-trust/server";
import type { Kysely } from "kysely";
import { type Caller, callerOf } from "./caller.ts";
import type { Clients } from "./clients.ts";
import { createDenylist } from "./denylist.ts";
import { publishDenylist } from "./denylist-publisher.ts";
import { DEFAULT_KEY_LEAD_MS, type KeyRing, keyRing } from "./key-ring.ts";
import { KeyStore } from "./key-store.ts";
import { forgettingClock } from "./lifetimes.ts";
import type { IssuerSchema } from "./migrations.ts";
import { createOAuthEndpoints } from "./oauth-endpoints.ts";
import { DENYLIST_PATH, HEALTH_PATH, JWKS_PATH, METADATA_PATH, REVOCATION_PATH, TOKEN_PATH } from "./paths.ts";
import { refusedClients } from "./refused-clients.ts";
import type { ReloadedFile } from "./reloaded-file.ts";
import { createReplica } from "./replica.ts";
import { bodyOf } from "./request-body.ts";
import type { Revocations } from "./revocations.ts";
import { runningRequests } from "./running-requests.ts";
import { serverMetadata } from "./server-metadata.ts";
import { publicJwks, type SigningKey } from "./signing-keys.ts";
import { IssuerStore } from "./store.ts";
import { tokenLog } from "./token-log.ts";
import { MAX_MISSED_ROUNDS, startUpkeep } from "./upkeep.ts";

export { type Clients, clientsFile, type RegisteredClient } from "./clients.ts";
export { DEFAULT_KEY_LEAD_MS } from "./key-ring.ts";
export { TOKEN_LIFETIME_SECONDS } from "./lifetimes.ts";
export { type IssuerSchema, migrations } from "./migrations.ts";
export { revocationsFile } from "./operator-revocations.ts";
export type { ReloadedFile } from "./reloaded-file.ts";
export { type SigningKey, signingKeysFile } from "./signing-keys.ts";

/** How often the files are looked at: what changes in them is effective after that. */
const DEFAULT_REFRESH_MS = 2_000;

/** A token request has some 500 bytes. */
const MAX_BODY_BYTES = 8 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
/** Of one workload, at a time: one request takes about a millisecond, and what waits behind it is everybody's. */
const MAX_RUNNING_REQUESTS = 64;
/** Whoever is slower than this holds a socket open, and is no workload of ours. */
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
/** How often Node looks for requests that are late; with its default of 30 s the time-outs above would be 30 s late. */
const TIMEOUT_CHECK_INTERVAL_MS = 1_000;

/** All that the issuer is built from. */
export interface IssuerDependencies {
  readonly log: Log;
  readonly identity: TlsIdentity;
  readonly trustDomain: string;
  /** The issuer identifier: an https URL without a path. */
  readonly issuer: string;
  readonly clients: ReloadedFile<Clients>;
  readonly signingKeys: ReloadedFile<readonly SigningKey[]>;
  /** What the operator revokes. */
  readonly revocations: ReloadedFile<Revocations>;
  readonly db: Kysely<IssuerSchema>;
  /** Tells whoever verifies, at once, all that is revoked, in the form of the list; they poll the list alone unless given. */
  readonly publishRevocations?: ((list: unknown) => Promise<void>) | undefined;
  /** How long a key is published before it signs, in milliseconds. @defaultValue 60 000, twice as long as verifiers take */
  readonly keyLeadMs?: number;
  /** Measures, where given. */
  readonly telemetry?: Telemetry;
  /** How often the files are looked at, in milliseconds. @defaultValue 2 000 */
  readonly refreshMs?: number;
  readonly now?: () => number;
  /** Milliseconds that go by whatever becomes of the clock. @defaultValue `performance.now` */
  readonly monotonicMs?: () => number;
}

/** The issuer, ready to listen. */
export interface Issuer {
  /** Serves workloads of the trust domain alone. */
  readonly server: Server;
  /** Looks at the files now, and resolves when what follows from them is written down. */
  readonly refresh: () => Promise<void>;
  /** Stops looking at the files; the database is used no more when it resolves. */
  readonly close: () => Promise<void>;
}

/** Builds the issuer; rejects when the database cannot be written. */
export async function createIssuer(dependencies: IssuerDependencies): Promise<Issuer> {
  const { log, identity, trustDomain, issuer, clients, signingKeys, revocations, db } = dependencies;
  const { publishRevocations } = dependencies;
  const { keyLeadMs = DEFAULT_KEY_LEAD_MS, refreshMs = DEFAULT_REFRESH_MS, now = Date.now } = dependencies;
  const { monotonicMs = () => performance.now(), telemetry } = dependencies;
  const refused = refusedClients();
  const writeToken = refused.seenBy(tokenLog(log, telemetry));
  const connectionLog = recordLog(log, "connection");
  const store = new IssuerStore(db);
  const keyStore = new KeyStore(db);
  const replica = createReplica({
    store: keyStore,
    isAlone: engineOf(db) === "sqlite",
    leadMs: keyLeadMs,
    goneMs: MAX_MISSED_ROUNDS * refreshMs,
    now: forgettingClock(now, monotonicMs),
    monotonicMs,
  });
  const keys = await keyRing({ file: signingKeys, store: keyStore, replica, log, now, monotonicMs });
  const files = [clients, signingKeys, revocations];
  const upkeep = await startUpkeep({ files, clients, keys, replica, db, store, log, refreshMs, now });
  const answerOAuth = createOAuthEndpoints({ issuer, clients, keys, store, log, tokenLog: writeToken, now });
  const denylist = createDenylist({ store, revocations, now: () => replica.now() });
  const publishing =
    publishRevocations && publishDenylist({ denylist, isCurrent: upkeep.isCurrent, publish: publishRevocations, log });
  const mayRun = runningRequests(MAX_RUNNING_REQUESTS);
  const metadata = JSON.stringify(serverMetadata(issuer));

  /** By path and method: what is not here does not exist. */
  const routes: Readonly<Record<string, { readonly method: string; readonly answer: Answer }>> = {
    [TOKEN_PATH]: { method: "POST", answer: limited(answerOAuth) },
    [REVOCATION_PATH]: { method: "POST", answer: limited(answerOAuth) },
    [JWKS_PATH]: { method: "GET", answer: sendKeys },
    [METADATA_PATH]: { method: "GET", answer: (_, response) => send(response, 200, metadata) },
    [DENYLIST_PATH]: { method: "GET", answer: (_, response) => void sendDenylist(response) },
    [HEALTH_PATH]: { method: "GET", answer: (_, response) => send(response, upkeep.isCurrent() ? 204 : 503) },
  };

  function answer(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("X-Content-Type-Options", "nosniff");
    const path = request.url ?? "";
    const caller = identify(request, path);
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (caller === undefined) {
      refuse(response, 401, "invalid_client", "client authentication failed");
    } else if (route === undefined) {
      send(response, 404);
    } else if (request.method !== route.method) {
      response.setHeader("Allow", route.method);
      send(response, 405);
    } else {
      route.answer(request, response, caller);
    }
  }

  function sendKeys(_: IncomingMessage, response: ServerResponse): void {
    send(response, 200, JSON.stringify(publicJwks(keys.published())), "application/jwk-set+json");
  }

  /** All of it or nothing: whoever gets a list takes what is not on it for good. */
  async function sendDenylist(response: ServerResponse): Promise<void> {
    if (!upkeep.isCurrent()) {
      send(response, 503);
      return;
    }
    try {
      send(response, 200, await denylist());
    } catch (err) {
      log.error({ err }, "the list of revoked tokens cannot be sent");
      send(response, 503);
    }
  }

  function identify(request: IncomingMessage, path: string): Caller | undefined {
    try {
      return callerOf(request, { trustDomain, clients: clients.current(), nowMs: now() });
    } catch (error) {
      const cause = error instanceof PeerError ? error.message : "the certificate could not be read";
      const endpoint = endpointAt(path);
      if (endpoint !== undefined) writeToken({ endpoint, outcome: "refused", error: "invalid_client", cause });
      else connectionLog.warn({ remoteAddress: request.socket.remoteAddress, cause }, "peer refused");
      return undefined;
    }
  }

  /** Node holds a body to its Content-Length, so a request that names it is bounded by it. */
  function limited(next: Answer): Answer {
    return function answerLimited(request, response, caller) {
      const length = request.headers["content-length"];
      const endpoint = endpointAt(request.url ?? "");
      if (length === undefined || Number(length) > MAX_BODY_BYTES) {
        const cause = length === undefined ? "the body has no Content-Length" : "the body is too large";
        writeToken({ endpoint, outcome: "refused", caller, error: "invalid_request", cause });
        response.setHeader("Connection", "close");
        refuse(response, length === undefined ? 411 : 413, "invalid_request", cause);
      } else {
        void answerWhole(request, response, Number(length), next);
      }
    };
  }

  /** Looks anew at who asks, and at what that client may: both may have changed while the body was on its way. */
  async function answerWhole(request: IncomingMessage, response: ServerResponse, length: number, next: Answer) {
    const path = request.url ?? "";
    try {
      await bodyOf(request, length);
    } catch (err) {
      log.warn({ err }, `a ${endpointAt(path)} request failed`);
      return;
    }
    // Nobody waits for the answer, and nothing would say when it is over.
    if (response.destroyed) return;
    const caller = identify(request, path);
    const waitSeconds = caller === undefined ? 0 : refused.waitSeconds(caller.peer.spiffeId);
    if (caller === undefined) {
      refuse(response, 401, "invalid_client", "client authentication failed");
    } else if (!mayRun(caller.peer.spiffeId, response)) {
      const cause = "the workload has too many requests running";
      writeToken({ endpoint: endpointAt(path), outcome: "refused", caller, error: "temporarily_unavailable", cause });
      response.setHeader("Retry-After", "1");
      refuse(response, 429, "temporarily_unavailable", "too many requests at a time");
    } else if (waitSeconds > 0) {
      const cause = "the workload has failed to authenticate its client too often";
      writeToken({ endpoint: endpointAt(path), outcome: "refused", caller, error: "temporarily_unavailable", cause });
      response.setHeader("Retry-After", String(waitSeconds));
      refuse(response, 429, "temporarily_unavailable", "too many failed requests");
    } else if (upkeep.isCurrent()) {
      next(request, response, caller);
    } else {
      // What is written to such a database, a revocation for one, may be gone after the next start.
      const failure = { outcome: "failed", error: "temporarily_unavailable" } as const;
      writeToken({ endpoint: endpointAt(path), caller, ...failure, cause: "the database cannot be used" });
      refuse(response, 503, "temporarily_unavailable", "try again later");
    }
  }

  const server = mutualTlsHttpsServer(
    {
      identity,
      onRefused({ time, ...event }) {
        telemetry?.count("zt.handshakes.refused", { cause: event.cause });
        connectionLog.warn({ at: time, ...event }, "handshake refused");
      },
      http: {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      },
    },
    answer,
  );
  if (telemetry !== undefined) observeKeys(telemetry, keys);
  telemetry?.observeIdentity(identity);
  telemetry?.observe("zt.ready", () => (upkeep.isCurrent() ? 1 : 0));

  async function close(): Promise<void> {
    await publishing?.close();
    await upkeep.close();
    await replica.leave().catch((err: unknown) => log.warn({ err }, "the other replicas wait for this one"));
  }

  return { server, refresh: upkeep.refresh, close };
}

function observeKeys(telemetry: Telemetry, keys: KeyRing): void {
  telemetry.observe("zt.signing_keys.published", () => keys.published().length);
  telemetry.observe("zt.signing_key.created_timestamp_seconds", () => {
    const { createdAtMs } = keys.signing(keys.published());
    return createdAtMs === 0 ? undefined : createdAtMs / 1000;
  });
}

function endpointAt(path: string): "token" | "revocation" | undefined {
  if (path === TOKEN_PATH) return "token";
  return path === REVOCATION_PATH ? "revocation" : undefined;
}

type Answer = (request: IncomingMessage, response: ServerResponse, caller: Caller) => void;

function refuse(response: ServerResponse, status: number, error: string, description: string): void {
  send(response, status, JSON.stringify({ error, error_description: description }));
}

function send(response: ServerResponse, status: number, body?: string | Buffer, type = "application/json"): void {
  response.statusCode = status;
  if (body !== undefined) response.setHeader("Content-Type", type);
  response.end(body);
}
