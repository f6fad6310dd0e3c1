import { setTimeout } from "node:timers/promises";
import { channelsTo } from "@zero-trust/infra/callers";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { untilServing } from "@zero-trust/infra/until-serving";
import { unlimited } from "../stack/unlimited.ts";
import { countOutbox, countUnknownCharges, readBooks } from "./books.ts";
import { Caller } from "./caller.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { type Client, History } from "./history.ts";
import { Killer, type Victim } from "./killer.ts";
import { complaintsOf } from "./oracle.ts";
import { seededRandom } from "./seeded-random.ts";

/** How much is done in a run, and how much is killed: both at least. */
export interface KillRunOptions {
  readonly operations: number;
  readonly kills: number;
  /** Draws the operations and the kills; what the operating system does in between is its own. */
  readonly seed: number;
  /** Told now and then how far the run is. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

/** How far a run is. */
export interface Progress {
  readonly operations: number;
  readonly kills: number;
  /** Orders that are still to be paid. */
  readonly outbox: number;
}

/** What came of a run: no complaint, if everything is as it should be. */
export interface KillRun {
  readonly complaints: readonly string[];
  readonly figures: Figures;
}

const clients: readonly Client[] = ["storefront", "storefront", "storefront", "partner", "partner", "partner"];
const victims: readonly Victim[] = ["order", "payment", "issuer"];

/** How much each gets done before it is killed, at most; payment more, which takes no signature in its first five seconds. */
const ORDER_ANSWERS = 100;
const ACQUIRER_WRITES = 600;
const ISSUER_RECORDS = 40;
/** When nobody is killed any more, so long for the callers to be answered, and then for the orders to be paid. */
const CALM_MS = 60_000;
const PROGRESS_MS = 5_000;
const POLL_MS = 50;
const LOOK_MS = 250;
/** Orders; a service pays some 50 a second. */
const MAX_UNPAID = 400;
/** Without an answer for so long, something is broken and not only killed. */
const STALLED_MS = 180_000;

/**
 * Has clients place orders while services are killed, until enough was done and killed; then lets everything come up and be
 * paid, and compares the files with what the clients were told.
 *
 * @throws Error when a service does not come up again
 */
export async function killRun(options: KillRunOptions): Promise<KillRun> {
  const { operations, kills, seed, onProgress, signal = new AbortController().signal } = options;
  const startedMs = performance.now();
  await using stack = await startStack(newStackFolder("kills"), { signal, environmentOf: () => unlimited });
  const { folder } = stack.deployment;
  const history = new History();
  const over = new AbortController();
  const calm = new AbortController();
  const ended = AbortSignal.any([signal, over.signal]);
  let chargesFoundUnknown = 0;
  const onKilled = (victim: Victim) => {
    if (victim === "payment") chargesFoundUnknown += countUnknownCharges(folder);
  };
  const killerOf = (victim: Victim, salt: number, work: number) =>
    new Killer({
      stack,
      victim,
      work,
      history,
      random: seededRandom(seed + salt),
      signal: AbortSignal.any([ended, calm.signal]),
      onKilled: () => onKilled(victim),
    });
  const killers = {
    order: killerOf("order", 1, ORDER_ANSWERS),
    payment: killerOf("payment", 2, Math.min(operations, ACQUIRER_WRITES)),
    issuer: killerOf("issuer", 3, ISSUER_RECORDS),
  };
  const deaths = () => Object.values(killers).map((killer) => killer.deaths.kills);
  const killed = () => deaths().reduce((sum, count) => sum + count, 0);
  const isEnough = () => history.begun >= operations && killed() >= kills && !deaths().includes(0);
  const more = () => !ended.aborted && !isEnough();
  let outbox = 0;
  const looking = setInterval(() => {
    outbox = countOutbox(folder);
  }, LOOK_MS);
  const isBehind = () => outbox > MAX_UNPAID;
  const callers = clients.map((client, at) => {
    const random = seededRandom(seed + 10 + at);
    return new Caller({ stack, client, history, random, more, isBehind, signal: ended });
  });
  const tell = () => onProgress?.({ operations: history.begun, kills: killed(), outbox });
  const telling = setInterval(tell, PROGRESS_MS);

  /** What one of them throws ends the run. */
  const watched = async (work: Promise<void>) => {
    await work.catch((error: unknown) => over.abort(error));
  };
  const calling = Promise.all(callers.map((caller) => watched(caller.run())));
  const killing = Promise.all(Object.values(killers).map((killer) => watched(killer.run())));
  try {
    while (more()) {
      await setTimeout(POLL_MS);
      if (performance.now() - history.lastAnswerMs > STALLED_MS)
        over.abort(new Error(`Nobody has been answered for ${STALLED_MS} ms.`));
    }
    calm.abort();
    await killing;
    await Promise.race([calling, setTimeout(CALM_MS, undefined, { ref: false })]);
    ended.throwIfAborted();
    await untilPaid(stack, killers.order);
  } finally {
    clearInterval(looking);
    clearInterval(telling);
    over.abort();
    // Who is just starting a service again would start it after everything has been removed.
    await Promise.all([calling, killing]);
  }
  const books = readBooks(folder);
  const complaints = [...complaintsOf(history, books), ...crashes(stack)];
  const figures = figuresOf({
    seed,
    seconds: (performance.now() - startedMs) / 1000,
    history,
    books,
    deaths: { order: killers.order.deaths, payment: killers.payment.deaths, issuer: killers.issuer.deaths },
    chargesFoundUnknown,
    complaints: complaints.length,
  });
  return { complaints, figures };
}

/** Waits until nothing is left to be done; what is not paid by then is for the oracle to complain about. */
async function untilPaid(stack: Stack, order: Killer): Promise<void> {
  using opened = new DisposableStack();
  await untilServing(opened.adopt(channelsTo(stack, "order-service", "payment"), (them) => them.close()));
  // A process that starts does not serve the waiting times of the one before it.
  await order.strike();
  const deadlineMs = performance.now() + CALM_MS;
  while (countOutbox(stack.deployment.folder) > 0 && performance.now() < deadlineMs) await setTimeout(POLL_MS);
}

/** What ended a service that was not killed, by its own word. */
function crashes(stack: Stack): readonly string[] {
  const records = victims.flatMap((victim) => stack[victim].log.map((record) => ({ victim, record })));
  return records
    .filter(({ record }) => record["level"] === "fatal")
    .map(({ victim, record }) => `${victim} ended by itself: ${JSON.stringify(record)}`);
}
