// An experiment, not shipped: calls that are over are garbage for the next collection, as a change in Node and V8 could make them.
import http2, { type Http2Server, type ServerHttp2Session } from "node:http2";
import { setFlagsFromString } from "node:v8";

// What has lived long for a while is made old from the start, and holds what is young.
setFlagsFromString("--no-allocation-site-pretenuring");

/** What Node asks of the `Map` of a connection's streams, without the tables that such a one leaves behind. */
class Streams<K, V> {
  readonly #entries: [K, V][];

  constructor(entries: Iterable<[K, V]>) {
    this.#entries = [...entries];
  }

  get size(): number {
    return this.#entries.length;
  }

  get(key: K): V | undefined {
    return this.#entries.find(([its]) => its === key)?.[1];
  }

  set(key: K, value: V): this {
    this.delete(key);
    this.#entries.push([key, value]);
    return this;
  }

  delete(key: K): boolean {
    const index = this.#entries.findIndex(([its]) => its === key);
    const last = index === -1 ? undefined : this.#entries.pop();
    if (last !== undefined && index < this.#entries.length) this.#entries[index] = last;
    return last !== undefined;
  }

  forEach(tell: (value: V, key: K) => void): void {
    for (const [key, value] of this.#entries.slice()) tell(value, key);
  }
}

interface SessionState {
  streams: unknown;
}

/** Node has no public name for it. */
function stateOf(session: ServerHttp2Session): SessionState {
  const name = Object.getOwnPropertySymbols(session).find(({ description }) => description === "state");
  const state: unknown = name === undefined ? undefined : Reflect.get(session, name);
  if (typeof state !== "object" || state === null || !("streams" in state)) throw new Error("Node has changed.");
  return state;
}

function keepYoung(server: Http2Server): void {
  server.prependListener("session", (session) => {
    const state = stateOf(session);
    state.streams = new Streams(state.streams as Map<unknown, unknown>);
  });
}

for (const name of ["createServer", "createSecureServer"] as const) {
  const create = http2[name] as (...args: unknown[]) => Http2Server;
  Object.assign(http2, {
    [name](...args: unknown[]) {
      const server = create(...args);
      keepYoung(server);
      return server;
    },
  });
}
