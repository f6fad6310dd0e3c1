/** Waits for changes of one order; what changed between two waits is not missed. */
export interface OrderWatch extends Disposable {
  /**
   * Resolves at the next change since it resolved last.
   *
   * @throws the signal's reason when it aborts first; ChangesClosedError when nobody will say any more.
   */
  changed(signal: AbortSignal): Promise<void>;
}

/** The process is closing: changes are no longer told. */
export class ChangesClosedError extends Error {
  override readonly name = "ChangesClosedError";
}

interface Watcher {
  wake(): void;
  end(): void;
}

/** Tells those who watch an order that it changed. It says no more than that: what it is now is read from the store. */
export class OrderChanges {
  readonly #watchers = new Map<string, Set<Watcher>>();
  #closed = false;

  /** Says that an order has changed; called after the commit. */
  tell(orderId: string): void {
    for (const watcher of this.#watchers.get(orderId) ?? []) watcher.wake();
  }

  /** Begins to watch; whoever reads the order after this misses nothing. */
  watch(orderId: string): OrderWatch {
    let change = Promise.withResolvers<void>();
    const end = () => {
      // Nobody may be waiting just now.
      change.promise.catch(() => undefined);
      change.reject(new ChangesClosedError("The process is closing."));
    };
    const watcher: Watcher = { wake: () => change.resolve(), end };
    const watchers = this.#watchers.get(orderId) ?? new Set();
    this.#watchers.set(orderId, watchers.add(watcher));
    if (this.#closed) end();
    return {
      changed: async (signal) => {
        await unlessAborted(change.promise, signal);
        change = Promise.withResolvers();
        if (this.#closed) end();
      },
      [Symbol.dispose]: () => {
        watchers.delete(watcher);
        if (watchers.size === 0 && this.#watchers.get(orderId) === watchers) this.#watchers.delete(orderId);
      },
    };
  }

  /** Which orders are being watched. */
  get watched(): readonly string[] {
    return [...this.#watchers.keys()];
  }

  /** Ends all watches, so that a server that drains does not wait for them. */
  close(): void {
    this.#closed = true;
    for (const watchers of this.#watchers.values()) for (const watcher of watchers) watcher.end();
  }
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
