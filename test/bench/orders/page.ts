import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { markdownTable } from "../../scaling/markdown-table.ts";
import { pageWithPart } from "../marked-part.ts";
import type { Share } from "../profile.ts";
import type { OrdersAtATime, OrdersMeasured } from "./measure-orders.ts";

/** What was measured, and where. */
export interface OrdersResult extends OrdersMeasured {
  readonly measuredAt: string;
  readonly node: string;
  readonly processor: string;
  readonly cores: number;
}

const resultPath = fileURLToPath(new URL("measured.json", import.meta.url));
const pagePath = fileURLToPath(new URL("../../../docs/performance.md", import.meta.url));

const marks = {
  begin: "<!-- orders: written by `pnpm bench:orders --write` -->\n",
  end: "<!-- end of orders -->\n",
};

/** Less is not worth a row. */
const leastShare = 0.01;

/** The result that is committed. */
export function lastOrders(): OrdersResult {
  return JSON.parse(readFileSync(resultPath, "utf8")) as OrdersResult;
}

/** The page as it is. */
export function page(): string {
  return readFileSync(pagePath, "utf8");
}

/** The page with this result in it. */
export function pageWith(result: OrdersResult): string {
  return pageWithPart(page(), marks, linesOf(result));
}

/** Keeps a result, and shows it. */
export function writeOrders(result: OrdersResult): void {
  const short = (_key: string, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  writeFileSync(resultPath, `${JSON.stringify(result, short, 2)}\n`);
  writeFileSync(pagePath, pageWith(lastOrders()));
}

function linesOf({ measuredAt, node, processor, cores, levels, shares }: OrdersResult): string {
  return `Measured on ${measuredAt.slice(0, 10)} with Node ${node} on ${cores} cores of ${processor}, which the services and their caller share.

${markdownTable(
  [
    "at a time",
    "orders/s",
    "on the disk, p50 / p99 ms",
    "paid, p50 / p99 ms",
    "order's processor",
    "payment's processor",
  ],
  levels.map(levelRow),
)}

${markdownTable(["busy with", "order", "payment"], shareRows(shares.order, shares.payment))}
`;
}

function levelRow({ atATime, perSecond, answeredMs, paidMs, onOrder, onPayment }: OrdersAtATime): readonly string[] {
  const milliseconds = (microseconds: number) => `${(microseconds / 1_000).toPrecision(2)} ms`;
  const both = ({ p50, p99 }: OrdersAtATime["paidMs"]) => `${p50.toPrecision(2)} / ${p99.toPrecision(2)}`;
  return [
    String(atATime),
    perSecond.toPrecision(3),
    both(answeredMs),
    both(paidMs),
    milliseconds(onOrder),
    milliseconds(onPayment),
  ];
}

function shareRows(order: readonly Share[], payment: readonly Share[]): readonly (readonly string[])[] {
  const inOf = (shares: readonly Share[], name: string) => shares.find(({ of }) => of === name)?.share ?? 0;
  const names = [...new Set([...order, ...payment].map(({ of }) => of))];
  return names
    .map((name) => ({ name, order: inOf(order, name), payment: inOf(payment, name) }))
    .filter((each) => each.order >= leastShare || each.payment >= leastShare)
    .toSorted((a, b) => b.order + b.payment - a.order - a.payment)
    .map((each) => [each.name, `${(each.order * 100).toFixed(0)} %`, `${(each.payment * 100).toFixed(0)} %`]);
}
