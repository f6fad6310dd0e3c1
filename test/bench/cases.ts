import type { Presented } from "./clients/given.ts";
import type { Method } from "./load/orders.ts";
import type { Asked } from "./servers/given.ts";

/** Something that is measured against the reference. */
export type Case = ServerCase | ClientCase;

/** A server, in turns with one that has nothing but mutual TLS. */
export interface ServerCase {
  readonly name: string;
  /** What it is, for a reader of the table. */
  readonly what: string;
  /** Whose code decides about the call. */
  readonly by: "us" | "others";
  /** A program in `servers/`. */
  readonly server: string;
  readonly asks: readonly Asked[];
  /** What calls bring all the same, and it does not look at. */
  readonly unread?: readonly Asked[];
  /** What is called, of the reference too; `ping` unless given. */
  readonly method?: Method;
  /** Bytes of a request's message; 200 unless given. */
  readonly bodyBytes?: number;
  /** How many distinct tokens are shown in turn; one a connection unless given. */
  readonly tokens?: number;
  readonly plaintext?: true;
  /** A program that it needs and npm does not bring; where it is not, the case is not measured. */
  readonly needs?: string;
}

/** A client, in turns with one that has nothing but mutual TLS, both of the same server. */
export interface ClientCase {
  readonly name: string;
  readonly what: string;
  readonly by: "us" | "others";
  /** A program in `clients/`. */
  readonly client: string;
  /** Besides the connection's certificate. */
  readonly presents: readonly Presented[];
}

const everything: readonly Asked[] = ["MTLS", "BEARER", "HMAC"];
/** What can be asked of methods that stream their requests: a signature covers one. */
const unsigned: readonly Asked[] = ["MTLS", "BEARER"];
const ours = { by: "us", server: "protected" } as const;
const connected = { by: "us", client: "connected" } as const;
const both: readonly Presented[] = ["BEARER", "HMAC"];
const tokenAlone: Pick<ServerCase, "by" | "asks"> = { by: "others", asks: ["BEARER"] };

/** All that is measured; whoever adds a program adds a line. */
export const cases: readonly Case[] = [
  { name: "plaintext", what: "grpc-js without TLS", by: "others", server: "plaintext", asks: [], plaintext: true },
  {
    name: "bare",
    what: "grpc-js over mutual TLS, the reference itself: what a ratio is good for",
    by: "others",
    server: "bare",
    asks: [],
  },
  {
    name: "unread",
    what: "the reference, sent all credentials, which it does not look at: what their way there takes",
    by: "others",
    server: "bare",
    asks: [],
    unread: everything,
  },
  { name: "certificate", what: "who is calling, and may it, by its certificate alone", ...ours, asks: ["MTLS"] },
  { name: "api-key", what: "an API key", ...ours, asks: ["API_KEY"] },
  { name: "bearer", what: "a token that is bound to the certificate", ...ours, asks: ["BEARER"] },
  { name: "hmac", what: "a signature over the message, with a nonce", ...ours, asks: ["HMAC"] },
  { name: "full", what: "certificate, bound token, signature, nonce, decision log", ...ours, asks: everything },
  {
    name: "http2",
    what: "the same `protect()` on `node:http2` alone, not shipped: what leaving grpc-js would bring",
    by: "others",
    server: "http2",
    asks: everything,
  },
  {
    name: "bare-young",
    what: "the reference, where calls that are over are garbage at once; not shipped: what a change in Node would bring",
    by: "others",
    server: "bare-young",
    asks: [],
  },
  {
    name: "full-young",
    what: "everything, where calls that are over are garbage at once; not shipped",
    by: "others",
    server: "protected-young",
    asks: everything,
  },
  {
    name: "serve",
    what: "the same by `serve()`: limits of calls, validation, typed handlers",
    by: "us",
    server: "serve",
    asks: everything,
  },
  { name: "naive", what: "the same checks, written by hand", by: "others", server: "naive", asks: everything },
  { name: "connect-node", what: "connect-node, and a token that jose verifies", server: "connect-node", ...tokenAlone },
  { name: "nice-grpc", what: "nice-grpc, and a token that jose verifies", server: "nice-grpc", ...tokenAlone },
  { name: "nestjs", what: "NestJS, and a token that jose verifies", server: "nestjs", ...tokenAlone },
  {
    name: "nginx",
    what: "nginx ends mutual TLS, grpc-js behind it; both are counted",
    by: "others",
    server: "nginx",
    asks: [],
    needs: "nginx",
  },
  {
    name: "storm",
    what: "everything, and 12 000 tokens in turn: more than are remembered, so each is verified",
    ...ours,
    asks: everything,
    tokens: 12_000,
  },
  { name: "full-16k", what: "everything, messages of 16 KiB", ...ours, asks: everything, bodyBytes: 16 * 1024 },
  { name: "server-stream", what: "everything, ten answers to a call", ...ours, asks: everything, method: "pingMany" },
  {
    name: "client-stream",
    what: "certificate and token, ten requests in a call",
    ...ours,
    asks: unsigned,
    method: "pingSum",
  },
  {
    name: "bidi-stream",
    what: "certificate and token, ten of each in a call",
    ...ours,
    asks: unsigned,
    method: "pingEach",
  },
  {
    name: "client-api-key",
    what: "a client: an API key, by `connect()` below a stub of grpc-js",
    ...connected,
    presents: ["API_KEY"],
  },
  { name: "client-bearer", what: "a client: a token", ...connected, presents: ["BEARER"] },
  { name: "client-hmac", what: "a client: a signature", ...connected, presents: ["HMAC"] },
  { name: "client", what: "a client: token and signature", ...connected, presents: both },
  { name: "client-typed", what: "a client: the same by `createClient()`", by: "us", client: "typed", presents: both },
];
