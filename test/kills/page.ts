import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Figures } from "./figures.ts";

/** What the last full run measured, and the page that shows it. */
const measuredPath = fileURLToPath(new URL("measured.json", import.meta.url));
const pagePath = fileURLToPath(new URL("../../docs/reliability.md", import.meta.url));

const begin = "<!-- measured: written by `pnpm test:kills --write` -->\n";
const end = "<!-- end -->\n";

/** The figures that are committed. */
export function measured(): Figures {
  return JSON.parse(readFileSync(measuredPath, "utf8")) as Figures;
}

/** The page as it is. */
export function page(): string {
  return readFileSync(pagePath, "utf8");
}

/** The page with these figures in it. */
export function pageWith(figures: Figures): string {
  const [before, rest = ""] = page().split(begin);
  // The first of several: other runs have their places on the page too.
  const after = rest.indexOf(end);
  if (before === undefined || after < 0) throw new Error("The page has no place for the figures.");
  return `${before}${begin}\n${linesOf(figures)}\n${rest.slice(after)}`;
}

/** Keeps the figures of a run, and shows them. */
export function writeMeasured(figures: Figures): void {
  writeFileSync(measuredPath, `${JSON.stringify(figures, null, 2)}\n`);
  writeFileSync(pagePath, pageWith(figures));
}

function linesOf(figures: Figures): string {
  const { operations, kills, attempts, orders, acknowledgedAfterMs: after } = figures;
  const { order, payment, issuer } = kills;
  const dead = ([name, { kills: times, whileStarting, downSeconds }]: [string, typeof order]) =>
    `- ${name} killed ${times} times, ${whileStarting} of them while it was starting; down for ${downSeconds} s`;
  return `- ${sum(operations)} operations in ${figures.seconds} s, on ${figures.cores} cores with Node ${figures.node} (seed ${figures.seed})
- of these ${list(operations)}
${Object.entries({ order, payment, issuer }).map(dead).join("\n")}
- ${sum(attempts)} attempts: ${list(attempts)}
- acknowledged after ${after.p50} ms (median), ${after.p99} ms (p99), ${after.max} ms (longest), retries included
- ${figures.lostAnswers} requests were written by an attempt whose answer was lost, and acknowledged by a later one
- ${figures.chargesFoundUnknown} times a charge was in the acquirer's file that payment, just killed, had not noted yet
- ${sum(orders)} orders (${list(orders)}), ${figures.charges} charges, ${figures.ledgerLines} lines in the ledger
- **${figures.complaints} complaints**
`;
}

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((all, one) => all + one, 0);

const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .toSorted(([, one], [, other]) => other - one)
    .map(([name, count]) => `${count} ${name}`)
    .join(" · ");
