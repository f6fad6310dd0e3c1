import type { CallerMaterial } from "../material.ts";
import type { Asked } from "../servers/given.ts";

/** The four kinds of calls, by the method of the ping service that is one. */
export type Method = "ping" | "pingMany" | "pingSum" | "pingEach";

/** What the load is to call, and with what. */
export interface Target {
  readonly port: number;
  readonly plaintext: boolean;
  readonly method: Method;
  readonly bodyBytes: number;
  /** What each call brings, and has to be refused without, unless `unread`. */
  readonly presents: readonly Asked[];
  /** The server does not look at it. */
  readonly unread: boolean;
  readonly connections: number;
  readonly inFlight: number;
}

/** What the load process is told, one at a time; each has one answer. */
export type Order =
  | { readonly open: string; readonly target: Target; readonly caller: CallerMaterial }
  | { readonly control: string }
  | { readonly closed: string; readonly ms: number; readonly server: number }
  | { readonly timed: string; readonly ms: number; readonly perSecond: number; readonly seed: number }
  | { readonly close: string };

/** What came of calls, "let in" or what else, by what was wrong with them. */
export interface ControlSaid {
  readonly wrong: Readonly<Record<string, string>>;
  /** Of the same call done right. */
  readonly right: string;
}

/** Latencies in milliseconds, from when a call was due. */
export interface TimedSaid {
  readonly calls: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}
