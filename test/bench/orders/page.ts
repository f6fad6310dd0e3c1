import { markdownTable } from "../../scaling/markdown-table.ts";
import { type PagePart, pagePart } from "../page-part.ts";
import type { Share } from "../profile.ts";
import { shortMs } from "../table.ts";
import type { OrdersAtATime, OrdersMeasured } from "./measure-orders.ts";

/** What was measured, and where. */
export interface OrdersResult extends OrdersMeasured {
  readonly measuredAt: string;
  readonly node: string;
  readonly processor: string;
  readonly cores: number;
}

/** The orders in `docs/performance.md`. */
export const ordersPart: PagePart<OrdersResult> = pagePart(
  new URL("measured.json", import.meta.url),
  { begin: "<!-- orders: written by `pnpm bench:orders --write` -->\n", end: "<!-- end of orders -->\n" },
  linesOf,
);

/** Less is not worth a row. */
const leastShare = 0.01;

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
  const milliseconds = (microseconds: number) => `${shortMs(microseconds / 1_000)} ms`;
  const both = ({ p50, p99 }: OrdersAtATime["paidMs"]) => `${shortMs(p50)} / ${shortMs(p99)}`;
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
