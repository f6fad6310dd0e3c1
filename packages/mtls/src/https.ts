import type { RequestListener } from "node:http";
import { Agent, createServer, type RequestOptions, type Server, type ServerOptions } from "node:https";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { Door, type DoorOptions } from "./door.ts";
import { expectServer, type ServerRule } from "./server-identity.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import {
  DEFAULT_MAX_INTERMEDIATES,
  HTTPS_ALPN,
  REJECT_UNAUTHORIZED,
  secureContextOptions,
  serverTlsOptions,
} from "./tls-policy.ts";

/** What an HTTPS server is served with. */
export interface MutualTlsHttpsServerOptions extends DoorOptions {
  /** Default 5 000. */
  readonly handshakeTimeoutMs?: number;
  /** Sizes and time-outs of HTTP; nothing of TLS. */
  readonly http?: Pick<
    ServerOptions,
    "connectionsCheckingInterval" | "headersTimeout" | "keepAliveTimeout" | "maxHeaderSize" | "requestTimeout"
  >;
}

/**
 * Makes an HTTPS server that serves only clients with a certificate of our CA, by the same rules as `mutualTlsServer()`, and
 * follows its identity as that does. `peerOfSocket()` tells who is calling, on each request.
 *
 * @example
 * ```ts
 * import type { TLSSocket } from "node:tls";
 * import { identityFromDirectory, mutualTlsHttpsServer, peerOfSocket } from "@zero-trust/mtls";
 *
 * const identity = identityFromDirectory("/run/secrets/tls");
 * const server = mutualTlsHttpsServer({ identity }, (request, response) => {
 *   const peer = peerOfSocket(request.socket as TLSSocket, { trustDomain: "production.internal" });
 *   response.end(peer.spiffeId);
 * });
 * ```
 */
export function mutualTlsHttpsServer(options: MutualTlsHttpsServerOptions, listener: RequestListener): Server {
  const server = createServer(
    {
      ...options.http,
      ...serverTlsOptions(options.identity, options.handshakeTimeoutMs),
      ALPNProtocols: [HTTPS_ALPN],
    },
    listener,
  );
  const door = new Door(server, options, {
    protocol: HTTPS_ALPN,
    // Node's own agents offer none.
    withoutProtocol: true,
    onAccepted: () => undefined,
    onTightened: () => server.closeIdleConnections(),
  });
  const close = server.close.bind(server);
  return Object.assign(server, {
    close(callback?: (error?: Error) => void): Server {
      close(callback);
      door.close();
      return server;
    },
  });
}

/** What an agent takes in a request's options besides Node's own. */
export interface CertificateChoice {
  /** Base64url SHA-256 of the certificate to show, one of the last few; the current one unless given. */
  readonly certificateThumbprint?: string;
}

/** A request that follows a rotation by seconds may have to be made with the certificate from before. */
const MAX_CONTEXTS = 4;

/**
 * An agent for `https.request` that shows our certificate and speaks only to the server that `serverId` names: a SPIFFE ID, or a
 * rule. A connection of a former certificate is used for a request that asks for that one, and for no other.
 *
 * @throws {TypeError} when `serverId` is not a workload's SPIFFE ID
 *
 * @example
 * ```ts
 * import { httpsAgent, identityFromDirectory } from "@zero-trust/mtls";
 *
 * const identity = identityFromDirectory("/run/secrets/tls");
 * const agent = httpsAgent({ identity, serverId: "spiffe://production.internal/issuer" });
 * ```
 */
export function httpsAgent(options: {
  readonly identity: TlsIdentity;
  readonly serverId: string | ServerRule;
  /** Certificates between the server's and the root; default 1. */
  readonly maxIntermediates?: number;
}): Agent {
  return new MutualTlsAgent(options);
}

class MutualTlsAgent extends Agent {
  readonly #identity: TlsIdentity;
  readonly #contexts = new Map<string, SecureContextOptions>();
  /** Under which certificate a connection was asked for, by the options that Node shows again when it is free and when it ends. */
  readonly #asked = new WeakMap<object, string>();
  /** What was trusted when a connection was made. */
  readonly #trusts = new WeakMap<object, TlsIdentity["trust"]>();
  readonly #unfollow: () => void;

  constructor({ identity, serverId, maxIntermediates = DEFAULT_MAX_INTERMEDIATES }: Parameters<typeof httpsAgent>[0]) {
    super({
      ...expectServer(serverId, { identityRule: identity.identityRule, maxIntermediates }),
      rejectUnauthorized: REJECT_UNAUTHORIZED,
      keepAlive: true,
      // Node does not check the server's identity again on a resumed session.
      maxCachedSessions: 0,
    });
    this.#identity = identity;
    this.#follow();
    this.#unfollow = identity.onChange(() => this.#follow());
  }

  /** Node uses an idle connection again where the name is the same. */
  override getName(options?: RequestOptions & CertificateChoice): string {
    return `${super.getName(options)}:${this.#thumbprint(options)}`;
  }

  override createConnection(
    options: RequestOptions & CertificateChoice,
    callback?: Parameters<Agent["createConnection"]>[1],
  ): ReturnType<Agent["createConnection"]> {
    const { ca, crl } = secureContextOptions(this.#identity);
    // Whom we trust is always what it is now, whichever certificate we show.
    const its = this.#contexts.get(this.#thumbprint(options)) ?? secureContextOptions(this.#identity);
    // As a context and not as its parts, since Node keeps what it is given where printing a request would show the key.
    const given = { ...options, secureContext: createSecureContext({ ...its, ca, crl }) };
    const socket = super.createConnection(given, callback);
    if (socket) this.#trusts.set(socket, this.#identity.trust);
    return socket;
  }

  /** A connection that was busy while what is trusted changed is not used again either. */
  override keepSocketAlive(socket: Duplex): boolean {
    // Node's types hide that it says whether.
    const keep: (its: Duplex) => unknown = super.keepSocketAlive.bind(this);
    return this.#trusts.get(socket) === this.#identity.trust && keep(socket) !== false;
  }

  override destroy(): void {
    this.#unfollow();
    super.destroy();
  }

  #thumbprint(options: CertificateChoice = {}): string {
    const asked = this.#asked.get(options);
    if (asked !== undefined) {
      // Of a connection that there is: whatever has become of our certificates, it is the one that it shows.
      return asked;
    }
    const { certificateThumbprint = "" } = options;
    if (certificateThumbprint !== "" && !this.#contexts.has(certificateThumbprint)) {
      // What came of it would be bound to another certificate, and refused where this one is shown.
      throw new Error("The agent has no such certificate, or no longer: make it with the identity of the channels.");
    }
    const thumbprint = certificateThumbprint || this.#identity.thumbprint;
    this.#asked.set(options, thumbprint);
    return thumbprint;
  }

  #follow(): void {
    const { thumbprint } = this.#identity;
    // The last in line, also where it had been there before.
    this.#contexts.delete(thumbprint);
    this.#contexts.set(thumbprint, secureContextOptions(this.#identity));
    const [oldest = ""] = this.#contexts.keys();
    if (this.#contexts.size > MAX_CONTEXTS) this.#contexts.delete(oldest);
    // Made under what was trusted before.
    for (const socket of Object.values(this.freeSockets).flat()) socket?.destroy();
  }
}
