import { type BookRows, type Books, bookQueries, booksOf } from "../kills/books.ts";
import type { Effects } from "../stack/relay/count-effects.ts";
import type { EffectFiles } from "../stack/relay/protocol.ts";

/** The databases of a fleet, as its operator sees them: behind the backs of the services. */
export interface Databases {
  effects(): Promise<Effects>;
  books(tornDecisions: readonly string[]): Promise<Books>;
}

/** Asks a database as who may everything: gives rows, with integers as bigint. */
export type Query = <Row>(database: string, sql: string) => Promise<readonly Row[]>;

const EFFECTS: Readonly<Record<keyof EffectFiles, string>> = {
  order: "SELECT count(*) AS orders, count(*) FILTER (WHERE state = 'PENDING') AS pending FROM orders",
  payment:
    'SELECT (SELECT count(*) FROM payments) AS payments, count(*) AS "ledgerLines", coalesce(sum(minor_units), 0)::bigint AS "ledgerSum" FROM transactions',
  acquirer: "SELECT count(*) AS charges FROM charges",
};

/** Asks them all by the same questions. */
export function databasesOf(query: Query): Databases {
  return {
    async effects() {
      const counts = await Promise.all(
        Object.entries(EFFECTS).map(async ([name, sql]) => (await query<Record<string, bigint>>(name, sql))[0]),
      );
      const all = Object.fromEntries(counts.flatMap((row) => Object.entries(row ?? {})));
      // By the names of the columns above.
      return Object.fromEntries(
        Object.entries(all).map(([name, count]) => [name, Number(count)]),
      ) as unknown as Effects;
    },
    async books(tornDecisions) {
      const rows = await Promise.all(
        Object.entries(bookQueries).map(
          async ([name, { database, sql }]) => [name, await query(database, sql)] as const,
        ),
      );
      return booksOf(Object.fromEntries(rows) as unknown as BookRows, tornDecisions);
    },
  };
}
