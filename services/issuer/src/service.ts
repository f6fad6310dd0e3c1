import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:https";
import { mutualTlsHttpsServer, PeerError, type TlsIdentity } from "@zero-trust/mtls";
import { type Log, recordLog } from "@zero-trust/server";
import { type Caller, callerOf } from "./caller.ts";
import type { Clients } from "./clients.ts";
import { publicJwks, type SigningKeys } from "./signing-keys.ts";
import { createTokenEndpoint, TOKEN_PATH } from "./token-endpoint.ts";
import { tokenLog } from "./token-log.ts";

export { type Clients, type RegisteredClient, readClients } from "./clients.ts";
export { readSigningKeys, type SigningKey, type SigningKeys } from "./signing-keys.ts";

const JWKS_PATH = "/.well-known/jwks.json";
const METADATA_PATH = "/.well-known/oauth-authorization-server";
const HEALTH_PATH = "/healthz";

/** A token request has some 500 bytes. */
const MAX_BODY_BYTES = 8 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
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
  readonly clients: Clients;
  readonly signingKeys: SigningKeys;
}

/** Builds the issuer, an HTTPS server that is ready to listen and serves workloads of the trust domain alone. */
export function createIssuer(dependencies: IssuerDependencies): Server {
  const { log, identity, trustDomain, issuer, clients, signingKeys } = dependencies;
  const writeToken = tokenLog(log);
  const connectionLog = recordLog(log, "connection");
  const answerToken = createTokenEndpoint({ issuer, signingKeys, log, tokenLog: writeToken });
  const jwks = JSON.stringify(publicJwks(signingKeys));
  const metadata = JSON.stringify(serverMetadata(issuer));

  /** By path and method: what is not here does not exist. */
  const routes: Readonly<Record<string, { readonly method: string; readonly answer: Answer }>> = {
    [TOKEN_PATH]: { method: "POST", answer: limited(answerToken) },
    [JWKS_PATH]: { method: "GET", answer: (_, response) => send(response, 200, jwks, "application/jwk-set+json") },
    [METADATA_PATH]: { method: "GET", answer: (_, response) => send(response, 200, metadata) },
    [HEALTH_PATH]: { method: "GET", answer: (_, response) => send(response, 204) },
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

  function identify(request: IncomingMessage, path: string): Caller | undefined {
    try {
      return callerOf(request, { trustDomain, clients });
    } catch (error) {
      const cause = error instanceof PeerError ? error.message : "the certificate could not be read";
      if (path === TOKEN_PATH) writeToken({ outcome: "refused", error: "invalid_client", cause });
      else connectionLog.warn({ remoteAddress: request.socket.remoteAddress, cause }, "peer refused");
      return undefined;
    }
  }

  /** Node holds a body to its Content-Length, so a request that names it is bounded by it. */
  function limited(next: Answer): Answer {
    return function answerLimited(request, response, caller) {
      const length = request.headers["content-length"];
      if (length !== undefined && Number(length) <= MAX_BODY_BYTES) {
        next(request, response, caller);
        return;
      }
      const cause = length === undefined ? "the body has no Content-Length" : "the body is too large";
      writeToken({ outcome: "refused", caller, error: "invalid_request", cause });
      response.setHeader("Connection", "close");
      refuse(response, length === undefined ? 411 : 413, "invalid_request", cause);
    };
  }

  return mutualTlsHttpsServer(
    {
      identity,
      onRefused: ({ time, ...event }) => connectionLog.warn({ at: time, ...event }, "handshake refused"),
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
}

type Answer = (request: IncomingMessage, response: ServerResponse, caller: Caller) => void;

/** RFC 8414, section 2, with RFC 8705, section 3.3. */
function serverMetadata(issuer: string): Readonly<Record<string, unknown>> {
  return {
    issuer,
    token_endpoint: `${issuer}${TOKEN_PATH}`,
    jwks_uri: `${issuer}${JWKS_PATH}`,
    grant_types_supported: ["client_credentials"],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ["tls_client_auth", "client_secret_basic"],
    tls_client_certificate_bound_access_tokens: true,
  };
}

function refuse(response: ServerResponse, status: number, error: string, description: string): void {
  send(response, status, JSON.stringify({ error, error_description: description }));
}

function send(response: ServerResponse, status: number, body?: string, type = "application/json"): void {
  response.statusCode = status;
  if (body !== undefined) response.setHeader("Content-Type", type);
  response.end(body);
}
