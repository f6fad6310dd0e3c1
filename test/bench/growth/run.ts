/**
 * `pnpm bench:growth`: what decisions, memory, handshakes, starts and ends come to when there is more of everything, with the slope. Some
 * parts alone: `pnpm bench:growth subjects lookUps pauses handshakes processes images memory`. `--quick` for fewer and smaller sizes, and half a
 * minute of load instead of ten, `--seconds` for another time; `--write` keeps the figures, each part by itself, and shows them in `docs/growth.md`.
 */
import { parseArgs } from "node:util";
import { measure, parts } from "./measure.ts";
import { linesOf, writeMeasured } from "./page.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    seconds: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const unknown = positionals.find((name) => !parts.some((part) => part === name));
if (process.platform !== "linux" || unknown !== undefined) {
  console.error(
    unknown === undefined
      ? "It reads processor time from Linux's /proc."
      : `There is no part ${unknown}: ${parts.join(", ")}.`,
  );
  process.exit(1);
}
const wanted = positionals.length === 0 ? parts : parts.filter((part) => positionals.includes(part));
const loadSeconds = Number(values.seconds ?? (values.quick ? 30 : 600));
const say = (sentence: string) => console.log(sentence);
const measured = await measure(wanted, { isQuick: values.quick, loadSeconds, say });
console.log(`\n${linesOf(measured)}`);
if (values.write) writeMeasured(measured);
process.exit();
