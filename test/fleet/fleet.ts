import type { Books } from "../kills/books.ts";
import type { Deployed, StackService } from "../stack/stack.ts";

/** One of the processes of a service, of which there are several. */
export interface Replica extends StackService {
  /** `payment-1` and so on. */
  readonly name: string;
}

/** A store that all replicas share. */
export interface SharedStore {
  /** Ends it, as a crash does; what it keeps on no disk is gone. */
  stop(): Promise<void>;
  /** Starts it again where it was, and waits until it serves. */
  start(): Promise<void>;
  /** Stops it from answering, with its connections open. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** The Valkey of the fleet. */
export interface SharedValkey extends SharedStore {
  /** Says something to it as its operator, who may do everything; rejects with a reply that is an error. */
  operate(...command: readonly string[]): Promise<void>;
}

/** Several of payment and order behind one name, with PostgreSQL and Valkey: the same for both drivers. */
export interface Fleet extends Deployed {
  readonly payments: readonly Replica[];
  readonly orders: readonly Replica[];
  readonly issuers: readonly Replica[];
  /** The first of each, for whoever needs one. */
  readonly payment: Replica;
  readonly order: Replica;
  readonly issuer: Replica;
  readonly postgres: SharedStore;
  readonly valkey: SharedValkey;
  /** What is written down, by the databases and not by way of the services. */
  books(): Promise<Books>;
}

/** How many there are of each, and what differs from what they usually get. */
export interface FleetOptions {
  /** Default 2. */
  readonly payments?: number;
  /** Default 2. */
  readonly orders?: number;
  /** Default 1. */
  readonly issuers?: number;
  /** More variables of a service. */
  readonly environmentOf?: (service: "issuer" | "payment" | "order") => Readonly<Record<string, string>>;
}

/** The first of several, of which there has to be one. */
export function firstOf<T>(replicas: readonly T[]): T {
  const [first] = replicas;
  if (first === undefined) throw new Error("A fleet has one of each at least.");
  return first;
}
