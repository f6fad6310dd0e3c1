import type { DropArgument, Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import { AcceptedConnections } from "./accepted-connections.ts";
import { Connection, rememberConnection } from "./connections.ts";
import { Handshakes, type RefusedHandshake } from "./handshakes.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { secureContextOptions } from "./tls-policy.ts";

/** Who is let in, and how many at a time. */
export interface DoorOptions {
  readonly identity: TlsIdentity;
  /** Told of every connection that is turned away. */
  readonly onRefused?: (event: RefusedHandshake) => void;
  /** Connections at a time; default 1 000. What comes then is closed. */
  readonly maxConnections?: number;
  /** Connections of one workload at a time; default half of all, so that no one of them keeps the others out. */
  readonly maxConnectionsPerPeer?: number;
  /** Handshakes at a time; default 100. When there are more, the oldest is given up. */
  readonly maxPendingHandshakes?: number;
  /**
   * How long what runs may go on after close(), and on connections from before something ceased to be trusted, milliseconds;
   * default 25 000, under the 30 s that a stopping process is usually given.
   */
  readonly drainMs?: number;
}

/** Below the 30 s after which an orchestrator kills, and within which a revocation has to be effective. */
export const DRAIN_MS = 25_000;
/** Connections that were told to go and have not, since their peer does not listen, are cut off this much later. */
const DEAF_MS = 1000;

/** Some 30 kB each with its TLS and HTTP/2 state: tens of megabytes at most. */
const MAX_CONNECTIONS = 1000;
/** A core shakes hands with a few hundred clients a second: more than it can do in the time-out are not waiting, but filling. */
const MAX_PENDING_HANDSHAKES = 100;

/** The usual time-out of a handshake: after it, few that began before are still to come; in milliseconds. */
const LATE_MS = 5000;

/** What a door needs to know of what is behind it. */
interface Behind {
  /** The protocol that a client has to have negotiated. */
  readonly protocol: string;
  /** Whether a client that negotiates none is served. */
  readonly withoutProtocol: boolean;
  readonly onAccepted: (socket: TLSSocket) => void;
  /** Something that was trusted is not any more: connections of before have to go. */
  readonly onTightened: () => void;
}

/**
 * What stands between a TLS server and what it serves: it lets in connections whose certificate is good by the authorities and
 * revocation lists of now, few enough of them, and ends those whose certificate ceases to be good.
 */
export class Door {
  readonly #server: Server;
  readonly #options: DoorOptions;
  readonly #behind: Behind;
  readonly #accepted: AcceptedConnections;
  readonly #handshakes: Handshakes;
  readonly #unfollow: () => void;
  #trust: TlsIdentity["trust"];
  /** When something ceased to be trusted, by `performance.now()`. */
  #tightenedAtMs = Number.NEGATIVE_INFINITY;
  #late: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(server: Server, options: DoorOptions, behind: Behind) {
    const { identity, onRefused, maxConnections = MAX_CONNECTIONS } = options;
    this.#server = server;
    this.#options = options;
    this.#behind = behind;
    this.#trust = identity.trust;
    this.#accepted = new AcceptedConnections({
      maxPerPeer: options.maxConnectionsPerPeer ?? Math.ceil(maxConnections / 2),
    });
    this.#handshakes = new Handshakes({
      maxPending: options.maxPendingHandshakes ?? MAX_PENDING_HANDSHAKES,
      onRefused: (event) => (this.#closing ? undefined : onRefused?.(event)),
    });
    // Node keeps it as a member of the server, to which each socket leads: `console.log(request.socket)` would print it.
    Object.defineProperty(server, "key", { value: Reflect.get(server, "key"), enumerable: false, writable: true });
    server.maxConnections = maxConnections;
    // First in line: the address is to be read before TLS can close the socket.
    server.prependListener("connection", (socket: Socket) => this.#handshakes.begun(socket));
    server.on("drop", (data?: DropArgument) =>
      this.#handshakes.dropped(data?.remoteAddress ?? "unknown", "TOO_MANY_CONNECTIONS"),
    );
    server.on("tlsClientError", (error, socket) => this.#handshakes.failed(error, socket));
    server.prependListener("secureConnection", (socket) => this.#accept(socket));
    this.#unfollow = identity.onChange(() => this.#follow());
  }

  /** How many connections were turned away. */
  get refusedHandshakes(): number {
    return this.#handshakes.refused;
  }

  get refusals(): ReadonlyMap<string, number> {
    return this.#handshakes.refusals;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#accepted.size;
  }

  /** Ends every handshake; whoever comes after it is not served. What is still connected when the time to drain is over is cut off. */
  close(): void {
    this.#closing = true;
    this.#unfollow();
    clearTimeout(this.#late);
    this.#accepted.endAt(performance.now() + this.#graceMs);
    this.#handshakes.abandon();
    this.#server.once("close", () => this.#accepted.close());
  }

  #accept(socket: TLSSocket): void {
    // A connection that breaks is its session's business; without a listener it would be the process's.
    socket.on("error", () => {});
    if (this.#closing) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, this.#options.identity);
    const objection = this.#objection(connection);
    if (objection !== undefined) {
      this.#handshakes.refuse(socket, objection);
      return;
    }
    // Its certificate was judged by what was trusted when its handshake began.
    const isLate = this.#handshakes.begunMs(socket) <= this.#tightenedAtMs;
    this.#handshakes.accepted(socket);
    rememberConnection(connection);
    this.#accepted.add(connection, isLate ? this.#tightenedAtMs + this.#graceMs : undefined);
    this.#behind.onAccepted(socket);
    if (isLate) {
      // Told to go as those of before, and once for all that come so late.
      this.#late ??= setTimeout(() => {
        this.#late = undefined;
        this.#behind.onTightened();
      }, LATE_MS).unref();
    }
  }

  get #graceMs(): number {
    return (this.#options.drainMs ?? DRAIN_MS) + DEAF_MS;
  }

  /** What the handshake does not look at. */
  #objection(connection: Connection): string | undefined {
    const { protocol, withoutProtocol } = this.#behind;
    const { alpnProtocol } = connection.socket;
    // A client that offers no protocol at all passes Node's own check.
    if (alpnProtocol !== protocol && !(withoutProtocol && alpnProtocol === false)) {
      return "ALPN_MISMATCH";
    }
    // The handshake may have begun under other authorities and lists than those of now.
    if (connection.complaint(Date.now()) !== undefined) {
      return "CERT_NOT_TRUSTED_ANY_MORE";
    }
    return this.#accepted.hasRoomFor(connection) ? undefined : "TOO_MANY_CONNECTIONS_OF_PEER";
  }

  #follow(): void {
    const { identity } = this.#options;
    // With all the rules of TLS, since Node forgets those that are not given again.
    this.#server.setSecureContext(secureContextOptions(identity));
    const tightened = identity.trust.tightens(this.#trust);
    this.#trust = identity.trust;
    if (tightened && !this.#closing) {
      this.#tightenedAtMs = performance.now();
      this.#accepted.endAt(this.#tightenedAtMs + this.#graceMs);
      this.#behind.onTightened();
    }
  }
}
