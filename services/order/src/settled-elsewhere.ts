import type { OrderChanges } from "./order-changes.ts";
import type { OutboxLog } from "./outbox.ts";
import type { OrderStore } from "./store.ts";

/** What is looked at, for whom. */
export interface SettledElsewhereOptions {
  readonly store: Pick<OrderStore, "settledOf">;
  readonly changes: OrderChanges;
  readonly log: Pick<OutboxLog, "warn">;
  /** How often, in milliseconds. */
  readonly pollMs?: number;
}

/**
 * Whoever watches here an order that another process settles hears of it this much later. One query asks for all that are
 * watched, so it costs the same for one watcher and for a thousand; it needs no connection of its own, and is right again by
 * itself after the database was away, which a notification that was missed is not.
 */
const defaultPollMs = 500;

/** How many orders one query asks for: a statement has 65 535 parameters at most. */
const maxOrdersPerQuery = 10_000;

/** Tells those who watch an order when a process other than this one has settled it. */
export class SettledElsewhere {
  readonly #options: SettledElsewhereOptions;
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;

  constructor(options: SettledElsewhereOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    }, options.pollMs ?? defaultPollMs).unref();
  }

  /** Looks no more, and waits for the last look. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { store, changes, log } = this.#options;
    const watched = changes.watched;
    try {
      for (let first = 0; first < watched.length; first += maxOrdersPerQuery) {
        const settled = await store.settledOf(watched.slice(first, first + maxOrdersPerQuery));
        for (const orderId of settled) changes.tell(orderId);
      }
    } catch (error) {
      // The next look finds what this one has not.
      log.warn({ err: error }, "orders that are watched cannot be read");
    }
  }
}
