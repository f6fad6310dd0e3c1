import { quantilesOf } from "./counted-calls.ts";
import { hiddenFailures } from "./hidden-failures.ts";
import { processesOf, type Rolled } from "./rolled.ts";
import { startRollingLoad } from "./rolling-load.ts";

/** Something that is replaced while calls are made. */
export interface Rolling {
  readonly what: string;
  /** Whether calls are tried again; where not, every attempt is counted. */
  readonly retries?: boolean;
  /**
   * Replaces it, and resolves when what took its place is in use.
   *
   * @returns sees, when nobody calls any more, that what was replaced is worth nothing
   */
  readonly roll: (rolled: Rolled) => Promise<(() => Promise<void>) | undefined>;
}

/** What callers saw of it. Times are milliseconds. */
export interface RollingFigures {
  readonly what: string;
  readonly seconds: number;
  readonly calls: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** What callers were told, each a sentence. */
  readonly failures: readonly string[];
  /** What a second attempt hid from them: refusals in the services' logs, and payments that were not made at once. */
  readonly hidden: readonly string[];
  /** Streams that ended with their server, and were opened again. */
  readonly reopened: number;
}

/** Replaces something while everybody calls, and tells what came of the calls. */
export async function rollUnderLoad(rolled: Rolled, { what, roll, retries = false }: Rolling): Promise<RollingFigures> {
  const logged = await logs(rolled);
  const startMs = performance.now();
  const load = startRollingLoad(rolled, { retries });
  let retired: (() => Promise<void>) | undefined;
  try {
    await load.oneMoreRound();
    retired = await roll(rolled);
    await load.oneMoreRound();
  } finally {
    await load.stop();
  }
  const seconds = Math.round((performance.now() - startMs) / 1000);
  const said = (await logs(rolled)).flatMap((log, at) => log.slice(logged[at]?.length));
  await retired?.();
  const { failures, tookMs, reopened } = load.counted;
  const hidden = hiddenFailures(said);
  return { what, seconds, calls: tookMs.length + failures.length, ...quantilesOf(tookMs), failures, hidden, reopened };
}

/** What stands above the cells of a row. */
export const headOfRollings: readonly string[] = [
  "what is replaced",
  "s",
  "calls",
  "failed",
  "hidden",
  "p50 / p99 / max ms",
];

/** What a table shows of it. */
export function rowOf(figures: RollingFigures): readonly (string | number)[] {
  const { what, seconds, calls, failures, hidden, reopened, p50, p99, max } = figures;
  return [what, seconds, calls, failures.length, hidden.length + reopened, `${p50} / ${p99} / ${max}`];
}

async function logs(rolled: Rolled) {
  return await Promise.all(processesOf(rolled).map((process) => process.log()));
}
