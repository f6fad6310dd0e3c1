import type { ServiceCost } from "./services.ts";

/** What one of many takes, as it was measured: bytes, and microseconds of processor time. */
export interface Constants {
  readonly node: string;
  readonly processor: string;
  readonly measuredAt: string;
  /** In the memory of one process. */
  readonly memory: {
    readonly nonceBytes: number;
    readonly apiKeyBytes: number;
    readonly grantBytes: number;
    readonly limitedCallerBytes: number;
    readonly connectionBytes: number;
  };
  /** Of the process that it happens in. */
  readonly microseconds: {
    readonly handshake: number;
    /** For each key, when the file of all of them is read again. */
    readonly apiKeyRead: number;
    /** On Valkey: a nonce claimed; a call counted. */
    readonly nonceOnValkey: number;
    readonly limitOnValkey: number;
  };
  /** What work takes of processors, with SQLite and memory, and with PostgreSQL and Valkey. */
  readonly services: { readonly one: ServiceCost; readonly fleet: ServiceCost };
  /** On disks, and in Valkey's memory. */
  readonly stored: {
    readonly orderBytes: number;
    readonly paymentBytes: number;
    readonly decisionBytes: number;
    readonly nonceInValkeyBytes: number;
  };
}
