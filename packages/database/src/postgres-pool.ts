import { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { PostgresPool } from "kysely";
import { Client, type ClientConfig, type CustomTypesConfig, Pool, type PoolConfig, types } from "pg";
import { DatabaseUnavailableError, sentence } from "./database-error.ts";

/** Which PostgreSQL database, as whom, and how long to wait for it. */
export interface PostgresOptions {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Asked for each new connection, so that the password can be changed while we run. */
  readonly password: () => string | Promise<string>;
  /**
   * Asked for each new connection, so that it shows the certificate of now: `clientTlsOptions()` of `@zero-trust/mtls`. Only
   * where it gives undefined, everything including the password's proof crosses the network in plaintext.
   */
  readonly tls: () => ConnectionOptions | undefined;
  /** Connections at most; default 10. */
  readonly poolSize?: number;
  /** How long to wait for a connection, new or of the pool; default 2 000. */
  readonly connectTimeoutMs?: number;
  /** How long one statement may take; default 5 000. */
  readonly statementTimeoutMs?: number;
  /** How long a statement may wait for a lock; default 3 000. */
  readonly lockTimeoutMs?: number;
  /** How long a transaction may stand still before the server ends it; default 10 000. */
  readonly idleInTransactionTimeoutMs?: number;
}

/** A server of four cores does no more at once than this times a few replicas; more connections wait inside it. */
const DEFAULT_POOL_SIZE = 10;

/** A caller who waits longer for a connection has a server that is down, or a pool that is too small: both are better said. */
const DEFAULT_CONNECT_TIMEOUT_MS = 2_000;

/** Every statement is a matter of milliseconds; one that takes this long holds what others wait for. */
const DEFAULT_STATEMENT_TIMEOUT_MS = 5_000;

/** Shorter than a statement, so that whoever waits for somebody else's lock is told that it was a lock. */
const DEFAULT_LOCK_TIMEOUT_MS = 3_000;

/** Locks of a process that hangs in the middle of a transaction are free again after this. */
const DEFAULT_IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;

/** The server's own time-outs come first; this is for a server, or a network, that says nothing any more. */
const SILENCE_MARGIN_MS = 1_000;

/** A password or a certificate that was changed, and a server that another has taken over from, are followed after this. */
const CONNECTION_LIFE_SECONDS = 300;

/** Connections that nobody has needed for so long are given back to the server. */
const IDLE_TIMEOUT_MS = 30_000;

/** A server that does not say goodbye does not hold up the end of this process. */
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * A pool of connections for Kysely, none of which is waited for without end: also where the server has stopped without a
 * word, which no time-out of the server's own can end.
 */
export function postgresPool(options: PostgresOptions): PostgresPool {
  const { connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS, statementTimeoutMs = DEFAULT_STATEMENT_TIMEOUT_MS } = options;
  const name = nameOf(options);
  const sockets = new Set<Socket>();
  const socketOf = new WeakMap<object, Socket>();

  class WatchedClient extends Client {
    constructor(config: ClientConfig = {}) {
      const socket = new Socket();
      // pg adds what it needs to these options, so they are never the caller's own.
      const tls = options.tls();
      super({
        ...config,
        password: options.password,
        ssl: tls === undefined ? false : { ...tls },
        stream: () => socket,
      });
      sockets.add(socket);
      socketOf.set(this, socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("timeout", () => {
        socket.destroy(new DatabaseUnavailableError(`The database ${name} does not answer.`));
      });
    }
  }

  const config: PoolConfig = {
    host: options.host,
    port: options.port,
    database: options.database,
    user: options.user,
    application_name: "zero-trust",
    client_encoding: "UTF8",
    // A commit is on the disk before it is acknowledged, whatever the server's default is.
    options: "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed",
    statement_timeout: statementTimeoutMs,
    lock_timeout: options.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? DEFAULT_IDLE_IN_TRANSACTION_TIMEOUT_MS,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    maxLifetimeSeconds: CONNECTION_LIFE_SECONDS,
    max: options.poolSize ?? DEFAULT_POOL_SIZE,
    keepAlive: true,
    types: exactTypes,
    Client: WatchedClient,
  };
  const pool = new Pool(config);
  // A connection that breaks while nobody uses it is replaced by the next one who needs one.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => {
    // Also while somebody has it and asks nothing just now; without a listener it would end the process.
    client.on("error", () => undefined);
  });
  pool.on("acquire", (client) => socketOf.get(client)?.setTimeout(statementTimeoutMs + SILENCE_MARGIN_MS));
  pool.on("release", (_error, client) => socketOf.get(client)?.setTimeout(0));

  return {
    options: {},
    async connect() {
      try {
        return await pool.connect();
      } catch (error) {
        throw new DatabaseUnavailableError(`The database ${name} cannot be reached: ${sentence(error)}.`, {
          cause: error,
        });
      }
    },
    async end() {
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, CLOSE_TIMEOUT_MS);
      await pool.end().finally(() => clearTimeout(cut));
    },
  };
}

/** How a database is named to the operator: where it is, and nothing secret. */
export function nameOf({ host, port, database, user }: PostgresOptions): string {
  return `postgres://${user}@${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

const integers: ReadonlySet<number> = new Set([types.builtins.INT2, types.builtins.INT4, types.builtins.INT8]);

/** Integers of every size as bigint, as from SQLite: no amount loses a digit. */
function exactParser(oid: number, format?: "text"): (value: string) => unknown {
  return integers.has(oid) ? BigInt : (types.getTypeParser(oid, format) as (value: string) => unknown);
}

const exactTypes: CustomTypesConfig = { getTypeParser: exactParser as typeof types.getTypeParser };
