/** What one of many takes of a process's memory, and of its time. */
interface StoreCost {
  readonly bytes: number;
  readonly microseconds: number;
}

/** What `stores-main.ts` prints. */
export interface StoresSaid {
  readonly nonce: StoreCost;
  /** The time is that of reading it from a file of many. */
  readonly apiKey: StoreCost;
  readonly grant: Pick<StoreCost, "bytes">;
  /** A caller whose calls are counted. */
  readonly limited: Pick<StoreCost, "bytes">;
}
