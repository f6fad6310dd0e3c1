import { availableParallelism } from "node:os";
import type { Books } from "./books.ts";
import type { History } from "./history.ts";
import type { Deaths, Victim } from "./killer.ts";

/** A run in numbers. */
export interface Figures {
  readonly seed: number;
  readonly node: string;
  readonly cores: number;
  readonly seconds: number;
  /** Operations by what they were. */
  readonly operations: Readonly<Record<string, number>>;
  /** Attempts by the status code that they ended with. */
  readonly attempts: Readonly<Record<string, number>>;
  readonly kills: Readonly<
    Record<Victim, { readonly kills: number; readonly whileStarting: number; readonly downSeconds: number }>
  >;
  /** Requests that were acknowledged by a later attempt than the one that wrote them. */
  readonly lostAnswers: number;
  /** How often a charge was found that payment, just killed, had not noted yet: one that outlives two kills is found twice. */
  readonly chargesFoundUnknown: number;
  readonly orders: Readonly<Record<string, number>>;
  readonly charges: number;
  readonly ledgerLines: number;
  /** From the first attempt until the acknowledgement, in milliseconds. */
  readonly acknowledgedAfterMs: Readonly<Record<"p50" | "p99" | "max", number>>;
  readonly complaints: number;
}

/** What figures are made of. */
export interface Measured {
  readonly seed: number;
  readonly seconds: number;
  readonly history: History;
  readonly books: Books;
  readonly deaths: Readonly<Record<Victim, Deaths>>;
  readonly chargesFoundUnknown: number;
  readonly complaints: number;
}

/** Counts a run. */
export function figuresOf(measured: Measured): Figures {
  const { seed, history, books, deaths, complaints } = measured;
  const createdAtMs = new Map(books.orders.map((order) => [order.orderId, order.createdAtMs]));
  const writtenAtMs = (orderId = "") => createdAtMs.get(orderId) ?? Number.POSITIVE_INFINITY;
  const lost = history.placings.filter(
    ({ answers, answeredAttemptAtMs }) => writtenAtMs(answers[0]?.orderIds[0]) < answeredAttemptAtMs,
  );
  const sorted = history.acknowledgedAfterMs.toSorted((one, other) => one - other);
  const quantile = (part: number) => Math.round(sorted[Math.ceil(sorted.length * part) - 1] ?? 0);
  const death = ({ kills, whileStarting, downMs }: Deaths) => ({
    kills,
    whileStarting,
    downSeconds: Math.round(downMs / 1000),
  });
  return {
    seed,
    node: process.version,
    cores: availableParallelism(),
    seconds: Math.round(measured.seconds),
    operations: Object.fromEntries(history.operations),
    attempts: Object.fromEntries(history.attempts),
    kills: { order: death(deaths.order), payment: death(deaths.payment), issuer: death(deaths.issuer) },
    lostAnswers: lost.length,
    chargesFoundUnknown: measured.chargesFoundUnknown,
    orders: Object.fromEntries(
      [...Map.groupBy(books.orders, ({ state }) => state)].map(([state, { length }]) => [state, length]),
    ),
    charges: books.charges.length,
    ledgerLines: books.ledger.length,
    acknowledgedAfterMs: { p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) },
    complaints,
  };
}
