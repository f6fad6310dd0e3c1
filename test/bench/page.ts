import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { markdownTable } from "../scaling/markdown-table.ts";
import { chart } from "./chart.ts";
import { pageWithPart } from "./marked-part.ts";
import type { BenchResult, CaseResult } from "./result.ts";
import { boundOf, doubtsOf, latencies, megabytes, rounded, shownValue, times } from "./table.ts";
import { reached } from "./targets.ts";

/** What runs measured, a file a day, and the page that shows the last of them. */
const resultsPath = fileURLToPath(new URL("results/", import.meta.url));
const pagePath = fileURLToPath(new URL("../../docs/performance.md", import.meta.url));
const chartPath = fileURLToPath(new URL("../../docs/performance.svg", import.meta.url));

const marks = { begin: "<!-- measured: written by `pnpm bench --write` -->\n", end: "<!-- end -->\n" };

/** The last result that is committed. */
export function lastResult(): BenchResult {
  const results = readdirSync(resultsPath).map(
    (name) => JSON.parse(readFileSync(`${resultsPath}${name}`, "utf8")) as BenchResult,
  );
  const [last] = results.toSorted((a, b) => b.measuredAt.localeCompare(a.measuredAt));
  if (last === undefined) throw new Error("Nothing was measured yet.");
  return last;
}

/** The page as it is. */
export function page(): string {
  return readFileSync(pagePath, "utf8");
}

/** The chart as it is. */
export function shownChart(): string {
  return readFileSync(chartPath, "utf8");
}

/** The page with this result in it. */
export function pageWith(result: BenchResult): string {
  return pageWithPart(page(), marks, linesOf(result));
}

/** Keeps a result, and shows it. */
export function writeResult(result: BenchResult): void {
  writeFileSync(`${resultsPath}${result.measuredAt.slice(0, 10)}.json`, jsonOf(result));
  // As it was kept, with the digits that the file has.
  const kept = lastResult();
  writeFileSync(pagePath, pageWith(kept));
  writeFileSync(chartPath, chart(kept));
}

/** A result as a file: five digits, which is more than any figure of it is good for. */
export function jsonOf(result: BenchResult): string {
  const short = (_key: string, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  return `${JSON.stringify(result, short, 2)}\n`;
}

/** The cases whose profiles say something about each other. */
const profiled = new Set(["bare", "certificate", "full", "serve", "naive", "storm"]);

function linesOf(result: BenchResult): string {
  const { cases, connections, inFlight, isPinned, measuredAt, node, pairs, processor, windowMs } = result;
  const cores = isPinned ? "what is measured on one core, the other end on another" : "not pinned to cores";
  return `Measured on ${measuredAt.slice(0, 10)} with Node ${node} on ${processor}, ${cores}: ${pairs} pairs of windows of ${windowMs} ms a case,
${inFlight} calls in flight over ${connections} connections.

### Targets

${targetTable(result)}

### Servers

${serverTable(cases.filter(({ side }) => side === "server"))}

### Where a server's time goes

${shareTable(cases)}

### Clients

${clientTable(cases.filter(({ side }) => side === "client"))}

![Processor time of a call in each case](performance.svg)
`;
}

function targetTable(result: BenchResult): string {
  const verdict = (isMet: boolean | undefined) => (isMet === undefined ? "" : isMet ? "met" : "**missed**");
  return markdownTable(
    ["what", "figure", "has to be", "is", "", "`unread`"],
    reached(result).map(({ target, value, isMet, nothingChecked }) => [
      target.what,
      target.of,
      boundOf(target),
      shownValue(target, value),
      verdict(isMet),
      target.checksNothing === undefined ? "" : shownValue(target, nothingChecked),
    ]),
  );
}

function serverTable(cases: readonly CaseResult[]): string {
  return markdownTable(
    ["case", "what", "calls/s, of bare", "µs CPU added", "calls/s", "p50 / p99 / p99.9 ms", "memory", "doubts"],
    cases.map((each) => [
      each.name,
      each.what,
      times(each.throughput),
      rounded(each.addedMicroseconds),
      each.callsPerSecond.toFixed(0),
      latencies(each),
      megabytes(each),
      doubtsOf(each).join("; "),
    ]),
  );
}

/** What is less in every case is not worth a row, in microseconds. */
const LEAST_SHOWN = 3;

/** In microseconds of a call. */
function shareTable(cases: readonly CaseResult[]): string {
  const shown = cases.filter(({ name, shares }) => shares !== undefined && profiled.has(name));
  const microseconds = ({ shares = [], microseconds: all }: CaseResult, of: string) =>
    (shares.find((each) => each.of === of)?.share ?? 0) * all;
  const owners = [...new Set(shown.flatMap(({ shares = [] }) => shares.map(({ of }) => of)))];
  const rows = owners
    .map((of) => ({ of, each: shown.map((one) => microseconds(one, of)) }))
    .filter(({ each }) => Math.max(...each) >= LEAST_SHOWN)
    .toSorted((a, b) => Math.max(...b.each) - Math.max(...a.each));
  return markdownTable(
    ["µs of a call in", ...shown.map(({ name }) => name)],
    rows.map(({ of, each }) => [of, ...each.map((value) => value.toFixed(0))]),
  );
}

function clientTable(cases: readonly CaseResult[]): string {
  return markdownTable(
    ["case", "what", "calls/s, of bare", "µs CPU added", "µs CPU of a bare call", "doubts"],
    cases.map((each) => [
      each.name,
      each.what,
      times(each.throughput),
      rounded(each.addedMicroseconds),
      each.referenceMicroseconds.toFixed(0),
      doubtsOf(each).join("; "),
    ]),
  );
}
