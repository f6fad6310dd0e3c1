import type { Constants } from "./constants.ts";

/** How much there is to do, all services together. */
export interface Load {
  readonly clients: number;
  /** Calls a second that are no orders: reads, each with a token. */
  readonly reads: number;
  /** Orders a second, each of which makes two signed calls to payment. */
  readonly orders: number;
  /** API keys that one service knows. */
  readonly apiKeys: number;
}

/** What the multiples are of: a shop that is doing well. */
export const base: Load = { clients: 10, reads: 100, orders: 10, apiKeys: 100 };

/** One thing that there is a limit to. */
export interface Limit {
  readonly what: string;
  /** How much of it a load takes, in the limit's own unit. */
  readonly need: (load: Load) => number;
  readonly limit: number;
  readonly unit: string;
  /** What takes over where it is reached. */
  readonly next: string;
}

/** Signed calls of an order: CreatePayment and CapturePayment. */
const SIGNED_CALLS_OF_AN_ORDER = 2;
/** How long a nonce is remembered, in seconds: the window of timestamps, and the second that it ends in. */
const NONCE_SECONDS = 306;
/** A quarter of a million nonces for one key, and order-service has one (`memoryNonceStore`). */
const NONCES_OF_A_KEY = 250_000;
/** `serve()` lets one workload have so many, and all of them together. */
const CONNECTIONS_OF_A_WORKLOAD = 20;
const CONNECTIONS = 1_000;
/** Each has a connection to every replica of order. */
const PROCESSES_OF_A_CLIENT = 2;
/** What may be busy of a processor that serves calls, before they wait for each other. */
const BUSY = 0.5;
const SECOND = 1_000_000;
/** A file that is read again stops the process for so long: in it no call is served. */
const PAUSE_MICROSECONDS = 50_000;
/** What the list of revoked tokens has room for, each of which stays in it for as long as a token lives (docs/issuer.md). */
const REVOKED_TOKENS = 16_000;
const TOKEN_SECONDS = 300;
/** One in a thousand tokens is revoked before its end; a client gets one every five minutes, for each service that it calls. */
const REVOKED_PART = 0.001;
const GIB = 2 ** 30;
const DAY_SECONDS = 86_400;

/** What ends first, for services of one process each, with files, SQLite and memory. */
export function limitsOfOne({ microseconds, services: { one }, stored }: Constants): readonly Limit[] {
  return [
    {
      what: "order's processor",
      need: ({ reads, orders }) => (reads * one.read + orders * one.onOrder) / SECOND,
      limit: BUSY,
      unit: "of one core",
      next: "more replicas of order, on PostgreSQL",
    },
    {
      what: "payment's processor",
      need: ({ orders }) => (orders * one.onPayment) / SECOND,
      limit: BUSY,
      unit: "of one core",
      next: "more replicas of payment, on PostgreSQL and Valkey",
    },
    {
      what: "nonces of one signing key",
      need: ({ orders }) => orders * SIGNED_CALLS_OF_AN_ORDER * NONCE_SECONDS,
      limit: NONCES_OF_A_KEY,
      unit: "in memory",
      next: "Valkey",
    },
    {
      what: "API keys in a file",
      need: ({ apiKeys }) => apiKeys * microseconds.apiKeyRead,
      limit: PAUSE_MICROSECONDS,
      unit: "µs in which no call is served, when the file changes",
      next: "the table in PostgreSQL (`ZT_API_KEYS_TABLE`)",
    },
    ...everywhere(stored),
  ];
}

/** What ends first for a fleet: any number of replicas, one PostgreSQL and one Valkey. */
export function limitsOfFleet(constants: Constants): readonly Limit[] {
  const { microseconds, services, stored } = constants;
  return [
    {
      what: "order's connections to each payment",
      // Two for each replica while its certificate changes.
      need: (load) => 2 * replicasFor(load, constants).order,
      limit: CONNECTIONS_OF_A_WORKLOAD,
      unit: "of one workload",
      next: "a higher bound (`maxConnectionsPerPeer`) for a while; then a subset of the replicas for each (xDS), or proxies in between (Envoy), which also carry mutual TLS",
    },
    {
      what: "clients' connections to each order",
      need: ({ clients }) => 2 * PROCESSES_OF_A_CLIENT * clients,
      limit: CONNECTIONS,
      unit: "of all",
      next: "Envoy at the edge, which has few connections inwards",
    },
    {
      what: "PostgreSQL's processors",
      need: ({ orders }) => (orders * services.fleet.onPostgres) / SECOND,
      limit: 16 * BUSY,
      unit: "cores, of 16",
      next: "a database a service; then orders and payments partitioned by client, in PostgreSQL databases of their own or in one that spreads them (Citus, CockroachDB, YugabyteDB)",
    },
    {
      what: "Valkey's one processor",
      need: ({ reads, orders }) =>
        (orders * SIGNED_CALLS_OF_AN_ORDER * microseconds.nonceOnValkey +
          // Each call is counted for its peer and for its client.
          2 * (reads + orders * (1 + SIGNED_CALLS_OF_AN_ORDER)) * microseconds.limitOnValkey) /
        SECOND,
      limit: BUSY,
      unit: "of one core",
      next: "a Valkey for each service, limits and nonces apart; then one for each part of the key ids, behind `NonceStore`",
    },
    {
      what: "Valkey's memory",
      need: ({ orders }) => (orders * SIGNED_CALLS_OF_AN_ORDER * NONCE_SECONDS * stored.nonceInValkeyBytes) / GIB,
      limit: 32,
      unit: "GiB",
      next: "one for each part of the key ids, behind `NonceStore`",
    },
    ...everywhere(stored),
  ];
}

function everywhere(stored: Constants["stored"]): readonly Limit[] {
  return [
    {
      what: "the list of revoked tokens",
      need: ({ clients }) => clients * REVOKED_PART * TOKEN_SECONDS,
      limit: REVOKED_TOKENS,
      unit: "tokens",
      next: "revocations in Valkey, of which no list is made",
    },
    {
      what: "the decision log",
      need: ({ reads, orders }) =>
        ((reads + orders * (1 + SIGNED_CALLS_OF_AN_ORDER)) * stored.decisionBytes * DAY_SECONDS) / GIB,
      limit: 500,
      unit: "GiB a day",
      next: "a log pipeline that takes it off the machines (Vector or Fluent Bit to Kafka, ClickHouse or an object store)",
    },
  ];
}

/** So many times the base. */
export function times(factor: number, load: Load = base): Load {
  const { clients, reads, orders, apiKeys } = load;
  return { clients: clients * factor, reads: reads * factor, orders: orders * factor, apiKeys: apiKeys * factor };
}

/** At which multiple of the base a limit is reached, to a thousandth. */
export function reachedAt({ need, limit }: Limit): number {
  // What takes replicas grows in steps, and so it is not divided but looked for.
  let [below, above] = [0, 1];
  while (need(times(above)) <= limit) [below, above] = [above, 2 * above];
  while (above - below > above / 1_000) {
    const middle = (below + above) / 2;
    if (need(times(middle)) <= limit) below = middle;
    else above = middle;
  }
  return above;
}

/** The limit that a growing load meets first, and at which multiple of the base. */
export function firstLimit(limits: readonly Limit[]): { readonly limit: Limit; readonly factor: number } {
  const all = limits.map((limit) => ({ limit, factor: reachedAt(limit) }));
  return all.reduce((first, each) => (each.factor < first.factor ? each : first));
}

/** How many processes a load needs, each busy by half. */
export function replicasFor(
  load: Load,
  { services: { fleet } }: Constants,
): { readonly order: number; readonly payment: number } {
  const { reads, orders } = load;
  const cores = (used: number) => Math.max(2, Math.ceil(used / (SECOND * BUSY)));
  return {
    order: cores(reads * fleet.read + orders * fleet.onOrder),
    payment: cores(orders * fleet.onPayment),
  };
}
