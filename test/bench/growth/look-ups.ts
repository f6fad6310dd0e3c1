import { createHash, randomInt } from "node:crypto";
import type { ApiKeySource } from "@zero-trust/auth/server";
import { apiKeyTable, createApiKeyTable } from "@zero-trust/auth/stores/postgres";
import { startPostgres } from "@zero-trust/testkit/servers";
import { Pool } from "pg";
import { collectedBytes } from "../../scaling/collected.ts";
import { many } from "../../scaling/many.ts";
import { childrenCalled } from "../../scaling/processor-time.ts";
import { processorMicroseconds } from "../processor-time.ts";
import { type Spread, spreadOf } from "../statistics.ts";
import { perTenfold } from "./slope.ts";

/** What a key takes that is looked up in a table of so many, and what those take that are remembered. */
export interface LookUpFigures {
  /** In microseconds, of this process and of PostgreSQL's. */
  readonly sizes: readonly { readonly size: number; readonly own: Spread; readonly postgres: Spread }[];
  readonly ownPerTenfold: Spread;
  readonly postgresPerTenfold: Spread;
  /** Memory of this process when so many different ones have been asked for. */
  readonly remembered: readonly { readonly asked: number; readonly bytes: number }[];
}

const LOOK_UPS = 2_000;
/** Wait for each other's queries. */
const AT_A_TIME = 64;
/** However busy the machine is: how long it takes is not what is measured. */
const timeoutMs = 60_000;

/** Looks keys up in tables of few and of very many, in turns, none of which is remembered. */
export async function measureLookUps({
  rounds,
  isQuick,
}: {
  readonly rounds: number;
  readonly isQuick: boolean;
}): Promise<LookUpFigures> {
  await using server = await startPostgres();
  await using opened = new AsyncDisposableStack();
  const pool = opened.adopt(new Pool({ ...server, max: 1 }), (it) => it.end());
  // Fewer would be asked for by several at a time, who share the answer.
  const sizes = isQuick ? [1_000, 10_000] : [1_000, 10_000, 100_000, 1_000_000];
  for (const size of sizes) await fill(pool, size);
  await pool.query("vacuum analyze");
  const postgres = childrenCalled("postgres");
  const used = () => ({
    own: processorMicroseconds(process.pid),
    postgres: postgres.reduce((sum, pid) => sum + processorMicroseconds(pid), 0),
  });
  const measured = sizes.map(() => ({ own: [] as number[], postgres: [] as number[] }));
  // One more, in which code is compiled and the tables come into memory.
  for (let round = -1; round < rounds; round += 1) {
    for (const [at, size] of round % 2 === 0 ? [...sizes.entries()] : [...sizes.entries()].reverse()) {
      const keys = apiKeyTable({ pool, table: tableOf(size), freshMs: 1, maxAgeMs: 1, timeoutMs });
      const before = used();
      await many(LOOK_UPS, AT_A_TIME, () => find(keys, randomInt(size)));
      const after = used();
      if (round < 0) continue;
      measured[at]?.own.push((after.own - before.own) / LOOK_UPS);
      measured[at]?.postgres.push((after.postgres - before.postgres) / LOOK_UPS);
    }
  }
  const slopes = (of: "own" | "postgres") =>
    spreadOf(
      Array.from({ length: rounds }, (_, round) =>
        perTenfold(sizes.map((size, at) => ({ size, value: measured[at]?.[of][round] ?? Number.NaN }))),
      ),
    );
  return {
    sizes: sizes.map((size, at) => ({
      size,
      own: spreadOf(measured[at]?.own ?? []),
      postgres: spreadOf(measured[at]?.postgres ?? []),
    })),
    ownPerTenfold: slopes("own"),
    postgresPerTenfold: slopes("postgres"),
    remembered: await remembered(pool, sizes.at(-1) ?? 1),
  };
}

/** What is asked for is remembered, but for what was asked for longest ago. */
async function remembered(pool: Pool, size: number): Promise<LookUpFigures["remembered"]> {
  const keys = apiKeyTable({ pool, table: tableOf(size), timeoutMs });
  const before = collectedBytes();
  const steps = [];
  let asked = 0;
  for (const share of [0.01, 0.1, 0.2, 0.3]) {
    const until = size * share;
    await many(until - asked, AT_A_TIME, () => find(keys, asked++));
    steps.push({ asked, bytes: collectedBytes() - before });
  }
  return steps;
}

async function find(keys: ApiKeySource, index: number): Promise<void> {
  const id = createHash("md5").update(String(index)).digest("hex").slice(0, 12);
  if ((await keys.find(id)) === undefined) throw new Error(`There is no key ${index}.`);
}

const tableOf = (size: number) => `keys_${size}`;

async function fill(pool: Pool, size: number): Promise<void> {
  await createApiKeyTable(pool, tableOf(size));
  await pool.query(
    `insert into ${tableOf(size)} select id, jsonb_build_object(
       'id', id, 'client', 'client-' || number, 'audience', 'https://payment.production.internal',
       'scopes', jsonb_build_array('read:transactions'),
       'secrets', jsonb_build_array(jsonb_build_object('sha256', encode(sha256(number::text::bytea), 'hex'))))
     from (select number, left(md5(number::text), 12) as id from generate_series(0, $1 - 1) as number) as keys`,
    [size],
  );
}
