import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { guarded } from "./current-identity.ts";

/** A connection that was turned away before it could carry a call. */
export interface RefusedHandshake {
  readonly time: Date;
  readonly remoteAddress: string;
  /** A code of Node's or OpenSSL's, such as `CERT_HAS_EXPIRED`; never text that the caller chose. */
  readonly cause: string;
}

/** A connection that has not finished its handshake, and since when, by `performance.now()`. */
interface Pending {
  readonly socket: Socket;
  readonly begunMs: number;
}

/** Keeps the books of the handshakes of a `tls.Server`: each connection ends as accepted or as refused, once, however it ended. */
export class Handshakes {
  readonly #pending = new Map<string, Pending>();
  /** Closed before the handshake was done, and Node has not said yet why. */
  readonly #closed: string[] = [];
  /** Why, said before the connection that it is about was seen to close. */
  readonly #causes: string[] = [];
  readonly #onRefused: (event: RefusedHandshake) => void;
  readonly #maxPending: number;
  readonly #refusals = new Map<string, number>();
  #refused = 0;
  #nameless = 0;
  /** Connections that were given up, of which Node is still to say that they failed. */
  #givenUp = 0;

  constructor(options: { readonly maxPending: number; readonly onRefused: (event: RefusedHandshake) => void }) {
    this.#maxPending = options.maxPending;
    this.#onRefused = options.onRefused;
  }

  /** How many connections were turned away. */
  get refused(): number {
    return this.#refused;
  }

  /** How many were turned away for which cause; the causes are Node's, OpenSSL's and ours, so they are few. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals;
  }

  /** A TCP connection was accepted. */
  begun(socket: Socket): void {
    this.#dropOldest();
    this.#nameless += 1;
    // A client that is gone before we look has no address.
    const key = keyOf(socket) ?? `unknown ${this.#nameless}`;
    this.#pending.set(key, { socket, begunMs: performance.now() });
    socket.once("close", () => {
      if (this.#pending.get(key)?.socket !== socket) {
        return;
      }
      this.#pending.delete(key);
      this.#closed.push(key);
      // Node says why within the same turn; where it does not, the connection was refused all the same.
      setImmediate(() => {
        if (this.#closed.includes(key)) {
          this.#refuse(key, this.#causes.shift() ?? "ECONNRESET");
        }
      });
    });
  }

  /** When the handshake of a connection began, by `performance.now()`: what was trusted then is what its certificate met. */
  begunMs(socket: TLSSocket): number {
    return this.#pending.get(keyOf(socket) ?? "")?.begunMs ?? 0;
  }

  /** The handshake is done and the connection may be used. */
  accepted(socket: TLSSocket): void {
    this.#pending.delete(keyOf(socket) ?? "");
  }

  /** The handshake failed. A certificate that did not verify is known by the socket's code, the rest by the error's. */
  failed(error: Error, socket: TLSSocket): void {
    const verdict: unknown = socket.authorizationError;
    const code = "code" in error && typeof error.code === "string" ? error.code : "TLS_ERROR";
    const cause = typeof verdict === "string" ? verdict : code;
    // A closed socket has forgotten its address; Node reports in the order in which they closed.
    const key = keyOf(socket) ?? this.#closed[0];
    if (key !== undefined) {
      this.#refuse(key, cause);
    } else if (this.#givenUp > 0) {
      // That of one which is counted already, and which nobody will ask for.
      this.#givenUp -= 1;
    } else {
      this.#causes.push(cause);
    }
    // After a time-out Node leaves the connection open.
    socket.destroy();
  }

  /** Turns away a connection whose handshake was well but which is of no use. */
  refuse(socket: TLSSocket, cause: string): void {
    const key = keyOf(socket);
    if (key !== undefined) {
      this.#refuse(key, cause);
    }
    socket.destroy();
  }

  /** A connection was closed before its handshake, for want of room. */
  dropped(remoteAddress: string, cause: string): void {
    this.#count(remoteAddress, cause);
  }

  /** Ends every connection that is still in its handshake. */
  abandon(): void {
    for (const { socket } of this.#pending.values()) {
      socket.destroy();
    }
    this.#pending.clear();
  }

  #refuse(key: string, cause: string): void {
    this.#pending.delete(key);
    const index = this.#closed.indexOf(key);
    if (index >= 0) {
      this.#closed.splice(index, 1);
    }
    const [remoteAddress = ""] = key.split(" ");
    this.#count(remoteAddress, cause);
  }

  /** A handshake takes milliseconds: where there are too many, the one that takes longest is the least likely to end well. */
  #dropOldest(): void {
    if (this.#pending.size < this.#maxPending) {
      return;
    }
    for (const [key, { socket }] of this.#pending) {
      this.#refuse(key, "TOO_MANY_HANDSHAKES");
      this.#givenUp += 1;
      socket.destroy();
      return;
    }
  }

  #count(remoteAddress: string, cause: string): void {
    this.#refused += 1;
    this.#refusals.set(cause, (this.#refusals.get(cause) ?? 0) + 1);
    guarded(() => this.#onRefused({ time: new Date(), remoteAddress, cause }));
  }
}

function keyOf(socket: Socket): string | undefined {
  // A client may use one port of its own for several addresses of ours.
  const { remoteAddress, remotePort, localAddress } = socket;
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress}`;
}
