import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Constants } from "./constants.ts";
import { markdownTable as table } from "./markdown-table.ts";
import { firstLimit, type Limit, limitsOfFleet, limitsOfOne, reachedAt, replicasFor, times } from "./model.ts";

/** What the last run measured, and the page that shows it. */
const measuredPath = fileURLToPath(new URL("measured.json", import.meta.url));
const pagePath = fileURLToPath(new URL("../../docs/scaling.md", import.meta.url));

const begin = "<!-- measured: written by `pnpm test:scaling --write` -->\n";
const end = "<!-- end -->\n";

/** The multiples of the base that the page looks at. */
const factors = [1, 10, 100, 10_000] as const;

/** The constants that are committed. */
export function measured(): Constants {
  return JSON.parse(readFileSync(measuredPath, "utf8")) as Constants;
}

/** The page as it is. */
export function page(): string {
  return readFileSync(pagePath, "utf8");
}

/** The page with these constants in it, and what follows from them. */
export function pageWith(constants: Constants): string {
  const [before, rest = ""] = page().split(begin);
  const [, after] = rest.split(end);
  if (before === undefined || after === undefined) throw new Error("The page has no place for the figures.");
  return `${before}${begin}\n${linesOf(constants)}\n${end}${after}`;
}

/** Keeps what a run measured, and shows it. */
export function writeMeasured(constants: Constants): void {
  writeFileSync(measuredPath, `${JSON.stringify(constants, null, 2)}\n`);
  writeFileSync(pagePath, pageWith(constants));
}

function linesOf(constants: Constants): string {
  const { memory, microseconds, stored } = constants;
  const { one, fleet } = constants.services;
  const bytes = (count: number) => (count >= 1_000 ? `${rounded(count / 1_000)} kB` : `${rounded(count)} B`);
  const time = (us: number) => (us >= 1_000 ? `${rounded(us / 1_000)} ms` : `${rounded(us)} µs`);
  return `Measured on ${constants.measuredAt} with Node ${constants.node} on one core of ${constants.processor}.

${table(
  ["one", "takes", "of"],
  [
    ["idle connection", bytes(memory.connectionBytes), "the server's memory"],
    ["nonce", bytes(memory.nonceBytes), "memory, where they are in memory"],
    ["nonce in Valkey", bytes(stored.nonceInValkeyBytes), "Valkey's memory"],
    ["API key", bytes(memory.apiKeyBytes), "memory, where they are in a file"],
    ["grant", bytes(memory.grantBytes), "memory"],
    ["caller that is counted", bytes(memory.limitedCallerBytes), "memory, where limits are in memory"],
    ["order", bytes(stored.orderBytes), "order's database"],
    ["payment with its lines", bytes(stored.paymentBytes), "payment's database"],
    ["decision", bytes(stored.decisionBytes), "the decision log"],
    ["handshake", time(microseconds.handshake), "the server's processor"],
    ["API key, when the file of all is read again", time(microseconds.apiKeyRead), "each service's processor"],
    ["nonce claimed", time(microseconds.nonceOnValkey), "Valkey's processor"],
    ["call counted", time(microseconds.limitOnValkey), "Valkey's processor"],
  ],
)}

${table(
  ["one", "with SQLite and memory", "with PostgreSQL and Valkey", "of"],
  [
    ["read with a token seen before (GetOrder)", time(one.read), time(fleet.read), "order's processor"],
    ["order, from CreateOrder until it is paid", time(one.onOrder), time(fleet.onOrder), "order's processor"],
    ["the same", time(one.onPayment), time(fleet.onPayment), "payment's processor"],
    ["the same", "", time(fleet.onPostgres), "PostgreSQL's processors"],
  ],
)}

### One process of each, files, SQLite and memory

${growth(limitsOfOne(constants))}

### A fleet: as many replicas as it takes, one PostgreSQL, one Valkey

${table(
  ["load", ...factors.map(named)],
  (["order", "payment"] as const).map((service) => [
    `replicas of ${service}, each busy by half`,
    ...factors.map((factor) => number(replicasFor(times(factor), constants)[service])),
  ]),
)}

${growth(limitsOfFleet(constants))}
`;
}

function growth(limits: readonly Limit[]): string {
  const { limit: first, factor } = firstLimit(limits);
  const rows = limits
    .map((limit) => ({ limit, at: reachedAt(limit) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ limit, at }) => [
      `${limit.what} (${number(limit.limit)} ${limit.unit})`,
      ...factors.map((each) => share(limit.need(times(each)) / limit.limit)),
      `${rounded(at)}×`,
      limit.next,
    ]);
  return `${table(["what there is a limit to", ...factors.map(named), "reached at", "what takes over"], rows)}

The first limit is ${first.what}, at ${rounded(factor)} times the base.`;
}

const named = (factor: number) => `${number(factor)}×`;
const share = (part: number) => (part > 1 ? `**${rounded(part)}×** over` : `${rounded(part * 100)} %`);
const number = (value: number) => value.toLocaleString("en").replaceAll(",", " ");
/** Two digits: what is measured so is good for no more. */
const rounded = (value: number) => number(Number(value.toPrecision(2)));
