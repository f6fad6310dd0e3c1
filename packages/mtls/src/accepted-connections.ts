import type { Connection } from "./connections.ts";
import { spiffeIdOfConnection } from "./peer.ts";

/** How often connections are asked whether their certificate is still good, in milliseconds. */
const SWEEP_MS = 1000;
/** A call whose peer is not trusted any more gets a status first, where there is somebody to send it; in milliseconds. */
const LAST_WORDS_MS = 5000;

/** The open connections of one server: how many of which peer, and the end of those whose certificate is not good any more. */
export class AcceptedConnections {
  readonly #since = new Map<Connection, number | undefined>();
  readonly #perPeer = new Map<string, number>();
  readonly #maxPerPeer: number;
  readonly #timer: NodeJS.Timeout;

  constructor(options: { readonly maxPerPeer: number }) {
    this.#maxPerPeer = options.maxPerPeer;
    this.#timer = setInterval(() => this.#sweep(Date.now()), SWEEP_MS).unref();
  }

  get size(): number {
    return this.#since.size;
  }

  /** Whether the peer of a connection may have another one. */
  hasRoomFor(connection: Connection): boolean {
    return (this.#perPeer.get(peerOf(connection)) ?? 0) < this.#maxPerPeer;
  }

  add(connection: Connection): void {
    const peer = peerOf(connection);
    this.#since.set(connection, undefined);
    this.#perPeer.set(peer, (this.#perPeer.get(peer) ?? 0) + 1);
    connection.socket.once("close", () => {
      this.#since.delete(connection);
      const left = (this.#perPeer.get(peer) ?? 1) - 1;
      if (left === 0) {
        this.#perPeer.delete(peer);
      } else {
        this.#perPeer.set(peer, left);
      }
    });
  }

  /** Stops looking at them. */
  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(nowMs: number): void {
    for (const [connection, since] of this.#since) {
      if (connection.complaint(nowMs) === undefined) {
        continue;
      }
      if (since === undefined) {
        this.#since.set(connection, nowMs);
      } else if (nowMs - since >= LAST_WORDS_MS) {
        connection.socket.destroy();
      }
    }
  }
}

/** Those without a SPIFFE ID, whose every call is refused, share their number. */
function peerOf(connection: Connection): string {
  return spiffeIdOfConnection(connection) ?? "";
}
