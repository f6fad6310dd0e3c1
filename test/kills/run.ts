/**
 * `pnpm test:kills`: places orders while order, payment and issuer are killed, compares the files with what was acknowledged,
 * and says what it measured. `--operations <n>` for more or fewer than 10 000, `--seed <n>` to draw the same again, `--write`
 * to keep the figures and show them in `docs/reliability.md`.
 */
import { parseArgs } from "node:util";
import { interruption } from "@zero-trust/infra/interruption";
import { killRun } from "./kill-run.ts";
import { writeMeasured } from "./page.ts";

const { values } = parseArgs({
  options: { operations: { type: "string" }, seed: { type: "string" }, write: { type: "boolean", default: false } },
});
const operations = wholeNumber("operations", values.operations, 10_000);
const seed = wholeNumber("seed", values.seed, Date.now() % 2 ** 31);
/** At least; in a long run there are more. */
const kills = Math.max(10, Math.ceil(operations / 100));

console.log(`${operations} operations, at least ${kills} kills, seed ${seed}`);
const signal = interruption();
try {
  const { complaints, figures } = await killRun({
    operations,
    kills,
    seed,
    signal,
    onProgress: (now) =>
      console.log(`${now.operations} operations, ${now.kills} kills, ${now.outbox} orders to be paid`),
  });
  console.log(JSON.stringify(figures, null, 2));
  for (const complaint of complaints) console.error(complaint);
  console.log(`${complaints.length} complaints`);
  if (complaints.length > 0) process.exitCode = 1;
  else if (values.write) writeMeasured(figures);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = signal.aborted ? 130 : 1;
}
process.exit();

function wholeNumber(name: string, text: string | undefined, unless: number): number {
  if (text === undefined) return unless;
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  console.error(`--${name} is a whole number from 1.`);
  process.exit(1);
}
