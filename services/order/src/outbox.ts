import { status } from "@grpc/grpc-js";
import { type Payment, type PaymentService, PaymentState } from "@zero-trust/proto/payment/v1";
import { type Client, RpcError } from "@zero-trust/rpc";
import { type BackOff, defaultBackOff, delayMs } from "./back-off.ts";
import type { OutboxEntry, OutboxStore } from "./outbox-store.ts";

/** The part of a log that the outbox writes to. */
export interface OutboxLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the outbox works with. */
export interface OutboxOptions {
  readonly store: OutboxStore;
  readonly payments: Pick<Client<typeof PaymentService>, "createPayment" | "capturePayment">;
  readonly log: OutboxLog;
  /** Is told of each order whose state has changed, after the commit. */
  readonly onSettled: (orderId: string) => void;
  /** Does work below the call that placed the order, in traces; all that the outbox does is for some order alone. */
  readonly inTrace?: <T>(traceParent: string | undefined, work: () => Promise<T>) => Promise<T>;
  readonly backOff?: BackOff;
  /** How many orders are being paid at a time. */
  readonly concurrency?: number;
  /** How long one call may take, in milliseconds. */
  readonly callTimeoutMs?: number;
  /** How long what this process is at is nobody else's, in milliseconds. */
  readonly leaseMs?: number;
  /** How often to look for what other processes have placed, or left, in milliseconds. */
  readonly pollMs?: number;
}

/** Enough that some hanging calls do not hold up the others, and that commits are made together; too few to be a flood after an outage. */
const defaultConcurrency = 32;

/** An answer that takes longer was lost; the same request again gets it. */
const defaultCallTimeoutMs = 5_000;

/** Both calls, and what our own database may take before and after them: whoever is at it longer is taken for dead. */
const defaultLeaseMs = 20_000;

/** An order of a process that was killed, or has too much to do, waits so much longer; looking costs two small queries. */
const defaultPollMs = 1_000;

/** How far the clocks of two processes may be apart: tokens are refused beyond that. */
const maxClockSkewMs = 5_000;

/** How long after a failure of our own database to look again, in milliseconds. */
const storeRetryMs = 1_000;

// What passes by itself. Everything else takes somebody to repair something, and is tried again at the slowest pace:
// an order that was acknowledged is never given up.
const passing: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.UNKNOWN,
  status.INTERNAL,
  status.RESOURCE_EXHAUSTED,
  status.UNAUTHENTICATED,
]);

/**
 * Pays orders, from the moment they are written until the payment service has given its last word, across any number
 * of failures and restarts, together with the outboxes of other processes on the same database.
 *
 * Each takes some of what is due for itself, for a time. One that takes over from another that was only slow makes the same
 * requests, by their ids, and gets the same answers.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #backOff: BackOff;
  readonly #concurrency: number;
  readonly #running = new Map<string, Promise<void>>();
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#backOff = options.backOff ?? defaultBackOff;
    this.#concurrency = options.concurrency ?? defaultConcurrency;
  }

  /** Begins with whatever an earlier process left undone. */
  async start(): Promise<void> {
    await this.#options.store.makeAllDue();
    this.wake();
  }

  /** Looks for work now; called after an order was committed. */
  wake(): void {
    if (this.#closed) return;
    this.#lookAgain = true;
    this.#looking ??= this.#look();
  }

  /** Begins nothing more, and waits for what is being done. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all(this.#running.values());
  }

  async #look(): Promise<void> {
    try {
      while (this.#lookAgain && !this.#closed) {
        this.#lookAgain = false;
        const { store, leaseMs = defaultLeaseMs } = this.#options;
        const nowMs = Date.now();
        const limit = this.#concurrency - this.#running.size;
        const claimed =
          limit <= 0
            ? []
            : await store.claim({
                nowMs,
                leaseMs,
                horizonMs: nowMs + Math.max(this.#backOff.maxMs, leaseMs) + maxClockSkewMs,
                limit,
              });
        for (const entry of claimed) {
          if (this.#closed) await store.release(entry);
          else this.#begin(entry);
        }
        this.#wakeAt(await store.nextDueMs(nowMs));
      }
    } catch (error) {
      this.#options.log.error({ err: error }, "the outbox cannot be read");
      this.#wakeAt(Date.now() + storeRetryMs);
    } finally {
      // In the same tick as the last question whether to look again, so that nobody is told in vain to.
      this.#looking = undefined;
    }
  }

  #begin(entry: OutboxEntry): void {
    const { orderId } = entry;
    // It may have been its own lease that ran out.
    if (this.#running.has(orderId)) return;
    const step = this.#settle(entry).finally(() => {
      this.#running.delete(orderId);
      this.wake();
    });
    this.#running.set(orderId, step);
  }

  #wakeAt(timeMs: number = Number.POSITIVE_INFINITY): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    // Never longer than that, whatever the clock was when the time was written, and whatever another process has written since.
    const waitMs = Math.min(Math.max(0, timeMs - Date.now()), this.#options.pollMs ?? defaultPollMs);
    this.#timer = setTimeout(() => this.wake(), waitMs).unref();
  }

  async #settle(entry: OutboxEntry): Promise<void> {
    const { store, log, onSettled, inTrace = async (_, work) => await work() } = this.#options;
    const { orderId, traceParent } = entry;
    try {
      const { state, paymentId } = await inTrace(traceParent, () => this.#pay(entry));
      await store.settle(orderId, { state, paymentId });
      log.info({ orderId, state }, "order settled");
      onSettled(orderId);
    } catch (error) {
      await this.#postpone(entry, error);
    }
  }

  async #pay(entry: OutboxEntry): Promise<{ readonly state: "PAID" | "DECLINED"; readonly paymentId: string }> {
    const { payments, callTimeoutMs: timeoutMs = defaultCallTimeoutMs } = this.#options;
    const { orderId, client, total } = entry;
    const created = await payments.createPayment(
      { requestId: entry.createRequestId, client, reference: orderId, amount: total },
      { timeoutMs },
    );
    const { paymentId, state } = known(created.payment);
    if (state === PaymentState.DECLINED) return { state: "DECLINED", paymentId };
    const captured = await payments.capturePayment(
      { requestId: entry.captureRequestId, client, paymentId },
      { timeoutMs },
    );
    const final = known(captured.payment).state;
    if (final === PaymentState.CAPTURED) return { state: "PAID", paymentId };
    if (final === PaymentState.DECLINED) return { state: "DECLINED", paymentId };
    throw new Error("A captured payment was answered in a state that is not final.");
  }

  async #postpone(entry: OutboxEntry, error: unknown): Promise<void> {
    const { store, log } = this.#options;
    const attempts = entry.attempts + 1;
    const code = error instanceof RpcError ? error.code : undefined;
    const soon = code !== undefined && passing.has(code);
    const ownMs = delayMs(soon ? attempts : Number.POSITIVE_INFINITY, this.#backOff);
    // No sooner than the payment service says, which may know better; and no later than anything else.
    const toldMs = error instanceof RpcError ? (error.retryAfterMs ?? 0) : 0;
    const retryMs = Math.max(ownMs, Math.min(toldMs, this.#backOff.maxMs));
    const fields = { orderId: entry.orderId, attempts, retryMs, err: error };
    if (soon) log.warn({ ...fields, code: status[code] }, "payment not settled yet");
    else log.error({ ...fields, code: code === undefined ? undefined : status[code] }, "payment needs attention");
    try {
      await store.postpone(entry, Date.now() + retryMs);
    } catch (storeError) {
      // Still due; in a moment, so as not to spin.
      log.error({ orderId: entry.orderId, err: storeError }, "the outbox cannot be written");
      await new Promise((resolve) => setTimeout(resolve, storeRetryMs));
    }
  }
}

function known(payment: Payment | undefined): Payment {
  if (payment === undefined) throw new Error("The payment service answered without a payment.");
  return payment;
}
