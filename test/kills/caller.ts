import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { fixedToken } from "@zero-trust/infra/callers";
import type { Stack } from "@zero-trust/infra/stack";
import { RpcError } from "@zero-trust/rpc";
import type { Client, History } from "./history.ts";
import { contentAnswered, newRequest, type OrderRequest, send } from "./order-request.ts";
import type { Random } from "./seeded-random.ts";
import { type Orders, openVisit, type Visit } from "./visit.ts";

/** What a caller is. */
export interface CallerOptions {
  readonly stack: Stack;
  readonly client: Client;
  readonly history: History;
  readonly random: Random;
  /** Whether there is more to be done. */
  readonly more: () => boolean;
  /** Whether so much is unpaid that more would only wait: the caller does, and payments are what is killed. */
  readonly isBehind: () => boolean;
  /** The run ends: nothing is tried again. */
  readonly signal: AbortSignal;
}

/** After these nobody knows what became of the request: it is sent again as it was. Any other code is an answer. */
const unknownOutcome: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.UNKNOWN,
  status.INTERNAL,
]);

/** Of twenty operations, how many are what. */
const mix = [
  ["CreateOrder", 7],
  ["CreateOrder, twice at once", 2],
  ["ImportOrders", 2],
  ["sent again", 3],
  ["sent again, changed", 1],
  ["GetOrder", 4],
  ["with a stolen token", 1],
] as const;
type Operation = (typeof mix)[number][0];
const operations: readonly Operation[] = mix.flatMap(([operation, of20]) => Array<Operation>(of20).fill(operation));

/** What is in none of the requests that may be acknowledged. */
const otherLines = [{ sku: "OTHER", quantity: 1, unitPrice: { currencyCode: "EUR", minorUnits: 1n } }];

/** At most; with it and the number of callers, the services are busy and not flooded. */
const THINKING_MS = 100;
/** At most, between two attempts. */
const RETRY_MS = 250;
const MAX_IMPORTED = 6;
/** Callers come and go, and need the issuer when they come. */
const MEAN_CALLS_A_VISIT = 20;
/** Like a process that is started again when it gets nowhere: connections and tokens wait longer after each failure. */
const PATIENCE_MS = 3_000;

/** A client of the order service, as good as clients should be: what was not acknowledged is sent again until it is. */
export class Caller {
  readonly #options: CallerOptions;
  readonly #placed: OrderRequest[] = [];
  #visit: Visit;

  constructor(options: CallerOptions) {
    this.#options = options;
    this.#visit = openVisit(this.#options);
  }

  /** Calls until there is no more to be done. */
  async run(): Promise<void> {
    const { random, more, isBehind, signal } = this.#options;
    try {
      while (more()) {
        if (random(MEAN_CALLS_A_VISIT) === 0) this.#comeAgain();
        await setTimeout(random(THINKING_MS), undefined, { signal });
        if (!isBehind()) await this.#operate();
      }
    } finally {
      this.#visit[Symbol.dispose]();
    }
  }

  #comeAgain(): void {
    this.#visit[Symbol.dispose]();
    this.#visit = openVisit(this.#options);
  }

  async #operate(): Promise<void> {
    const { random, history } = this.#options;
    const earlier = this.#placed[random(Math.max(1, this.#placed.length))];
    // There is nothing yet that could be sent again.
    if (earlier === undefined) {
      history.began("CreateOrder");
      await this.#place(this.#new("CreateOrder"));
      return;
    }
    const operation = operations[random(operations.length)] ?? "CreateOrder";
    history.began(operation);
    const does: Readonly<Record<Operation, () => Promise<void>>> = {
      CreateOrder: () => this.#place(this.#new("CreateOrder")),
      "CreateOrder, twice at once": () => this.#placeTwice(),
      ImportOrders: () => this.#place(this.#new("ImportOrders", 1 + random(MAX_IMPORTED))),
      "sent again": () => this.#place(earlier),
      "sent again, changed": () => this.#change(earlier),
      GetOrder: () => this.#read(earlier),
      "with a stolen token": () => this.#steal(),
    };
    await does[operation]();
  }

  #new(method: OrderRequest["method"], orders = 1): OrderRequest {
    const { client, random, history } = this.#options;
    const request = newRequest(client, method, { orders, random });
    // Before it is sent: what is written and never acknowledged was asked for all the same.
    history.placings.push(request);
    return request;
  }

  async #placeTwice(): Promise<void> {
    const request = this.#new("CreateOrder");
    await Promise.all([this.#place(request), this.#place(request)]);
  }

  async #place(request: OrderRequest): Promise<void> {
    const { history } = this.#options;
    const startedMs = performance.now();
    let attemptAtMs = 0;
    const answer = await this.#untilAnswered(async (orders) => {
      attemptAtMs = Date.now();
      return await send(orders, request);
    });
    if (request.answers.length === 0) {
      request.answeredAttemptAtMs = attemptAtMs;
      history.acknowledgedAfterMs.push(performance.now() - startedMs);
      this.#placed.push(request);
    }
    history.answered(request, answer);
  }

  async #change({ orders: [asked] }: OrderRequest): Promise<void> {
    const requestId = asked?.requestId ?? "";
    const said = await this.#untilAnswered((orders) => orders.createOrder({ requestId, lines: otherLines })).catch(
      codeOf,
    );
    if (said !== status.FAILED_PRECONDITION) this.#complain(`request ${requestId} was taken with another content`);
  }

  async #read(request: OrderRequest): Promise<void> {
    const { random } = this.#options;
    const at = random(request.orders.length);
    const orderId = request.answers[0]?.orderIds[at] ?? "";
    const { order } = await this.#untilAnswered((orders) => orders.getOrder({ orderId }));
    if (order === undefined || contentAnswered(order) !== request.orders[at]?.content)
      this.#complain(`order ${orderId} was read with another content`);
  }

  /** What nobody may have acknowledged: our token, shown with another workload's certificate. */
  async #steal(): Promise<void> {
    const { stack, client, history } = this.#options;
    const stolen = await Promise.resolve(this.#visit.tokens.token()).catch(() => undefined);
    if (stolen === undefined) return;
    const thief = client === "storefront" ? "partner" : "storefront";
    using visit = openVisit({ stack, client: thief, tokens: fixedToken(stolen) });
    const said = await visit.orders.createOrder({ requestId: randomUUID(), lines: otherLines }).catch(codeOf);
    history.attempted(typeof said === "number" ? status[said] : "OK");
    if (typeof said !== "number") this.#complain(`${thief} was let in with the token of ${client}`);
  }

  async #untilAnswered<T>(call: (orders: Orders) => Promise<T>): Promise<T> {
    const { history, random, signal } = this.#options;
    let cameMs = performance.now();
    for (;;) {
      try {
        const answer = await call(this.#visit.orders);
        history.attempted("OK");
        return answer;
      } catch (error) {
        const code = codeOf(error);
        history.attempted(status[code]);
        if (!unknownOutcome.has(code)) throw error;
      }
      await setTimeout(random(RETRY_MS), undefined, { signal });
      if (performance.now() - cameMs > PATIENCE_MS) {
        this.#comeAgain();
        cameMs = performance.now();
      }
    }
  }

  #complain(sentence: string): void {
    this.#options.history.complaints.push(sentence);
  }
}

/** @throws what is no status: a mistake of ours, or the end of the run */
function codeOf(error: unknown): status {
  if (error instanceof RpcError) return error.code;
  throw error;
}
