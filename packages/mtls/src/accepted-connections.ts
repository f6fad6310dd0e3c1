import type { Connection } from "./connections.ts";
import { spiffeIdOfConnection } from "./peer.ts";

/** How often connections are asked whether their certificate is still good, in milliseconds. */
const SWEEP_MS = 1000;
/** A call whose peer is not trusted any more gets a status first, where there is somebody to send it; in milliseconds. */
const LAST_WORDS_MS = 5000;

/** What is to become of a connection. */
interface Stay {
  /** Since when its certificate is not good any more, epoch milliseconds. */
  distrustedAtMs?: number | undefined;
  /** When it ends whatever becomes of it, by `performance.now()`. */
  endsAtMs: number;
}

/**
 * The open connections of one server: how many of which peer, and the end of those whose certificate is not good any more, or
 * whose time is over. It is a cut, since a peer that neither reads nor closes its side would keep a polite end waiting for good.
 */
export class AcceptedConnections {
  readonly #stays = new Map<Connection, Stay>();
  readonly #perPeer = new Map<string, number>();
  readonly #maxPerPeer: number;
  readonly #timer: NodeJS.Timeout;

  constructor(options: { readonly maxPerPeer: number }) {
    this.#maxPerPeer = options.maxPerPeer;
    this.#timer = setInterval(() => this.#sweep(Date.now(), performance.now()), SWEEP_MS).unref();
  }

  get size(): number {
    return this.#stays.size;
  }

  /** Whether the peer of a connection may have another one. */
  hasRoomFor(connection: Connection): boolean {
    return (this.#perPeer.get(peerOf(connection)) ?? 0) < this.#maxPerPeer;
  }

  /** @param endsAtMs - when it is cut off, by `performance.now()` */
  add(connection: Connection, endsAtMs: number = Number.POSITIVE_INFINITY): void {
    const peer = peerOf(connection);
    this.#stays.set(connection, { endsAtMs });
    this.#perPeer.set(peer, (this.#perPeer.get(peer) ?? 0) + 1);
    connection.socket.once("close", () => {
      this.#stays.delete(connection);
      const left = (this.#perPeer.get(peer) ?? 1) - 1;
      if (left === 0) {
        this.#perPeer.delete(peer);
      } else {
        this.#perPeer.set(peer, left);
      }
    });
  }

  /** Cuts off those of now that are still there at a time, by `performance.now()`. */
  endAt(endsAtMs: number): void {
    for (const stay of this.#stays.values()) {
      stay.endsAtMs = Math.min(stay.endsAtMs, endsAtMs);
    }
  }

  /** Stops looking at them. */
  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(nowMs: number, monotonicMs: number): void {
    for (const [connection, stay] of this.#stays) {
      if (connection.complaint(nowMs) === undefined) {
        stay.distrustedAtMs = undefined;
      } else {
        stay.distrustedAtMs ??= nowMs;
      }
      const isDistrusted = stay.distrustedAtMs !== undefined && nowMs - stay.distrustedAtMs >= LAST_WORDS_MS;
      if (isDistrusted || monotonicMs >= stay.endsAtMs) {
        connection.socket.destroy();
      }
    }
  }
}

/** Those without a SPIFFE ID, whose every call is refused, share their number. */
function peerOf(connection: Connection): string {
  return spiffeIdOfConnection(connection) ?? "";
}
