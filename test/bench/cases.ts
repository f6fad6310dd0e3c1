import type { Method } from "./load/orders.ts";
import type { Asked } from "./servers/given.ts";

/** Something that is measured against the reference. */
export interface Case {
  readonly name: string;
  /** What it is, for a reader of the table. */
  readonly what: string;
  /** A program in `servers/`. */
  readonly server: string;
  readonly asks: readonly Asked[];
  /** What is called, of the reference too; `ping` unless given. */
  readonly method?: Method;
  /** Bytes of a request's message; 200 unless given. */
  readonly bodyBytes?: number;
  /** How many distinct tokens are shown in turn; 16 unless given. */
  readonly tokens?: number;
  readonly plaintext?: true;
}

const everything: readonly Asked[] = ["MTLS", "BEARER", "HMAC"];

/** All that is measured; whoever adds a server file adds a line. */
export const cases: readonly Case[] = [
  { name: "plaintext", what: "grpc-js without TLS", server: "plaintext", asks: [], plaintext: true },
  { name: "bare", what: "grpc-js over mutual TLS: the reference against itself", server: "bare", asks: [] },
  {
    name: "full",
    what: "certificate, bound token, signature, nonce, decision log",
    server: "protected",
    asks: everything,
  },
  { name: "serve", what: "the same by serve(): validation, limits of calls", server: "serve", asks: everything },
  { name: "naive", what: "the same checks, written by hand", server: "naive", asks: everything },
];
