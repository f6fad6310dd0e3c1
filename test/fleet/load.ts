import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { bearer, connect, hmac } from "@zero-trust/auth/client";
import { type RunningServices, tokensOf, withToken } from "@zero-trust/infra/callers";
import { spiffeIdOf } from "@zero-trust/infra/names";
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { type Client, createClient, RpcError, serviceConfig } from "@zero-trust/rpc";
import { History } from "../kills/history.ts";
import { contentAnswered, newRequest, type OrderRequest, send } from "../kills/order-request.ts";
import { type Random, seededRandom } from "../kills/seeded-random.ts";
import { Tally, type TallyFigures } from "./tally.ts";

/** How much is called, and how. */
export interface LoadOptions {
  /** Callers that place orders and read them, as storefront; default 4. */
  readonly orderCallers?: number;
  /** Callers that make payments and capture them, as order does, with token and signature; default 4. */
  readonly paymentCallers?: number;
  /**
   * Calls a second of all of them together, begun at their time whatever became of those before. Unless given, each caller
   * begins its next call when the one before has ended.
   */
  readonly perSecond?: number;
  /** How long one call may take, in milliseconds; default 10 000. */
  readonly timeoutMs?: number;
  /** How long one attempt at it may wait for its answer before there is another; default 1 000. */
  readonly attemptTimeoutMs?: number;
  /** Draws what is ordered. */
  readonly seed?: number;
  /** What was asked for on the same fleet before, which this load adds its own to: the oracle wants to know of every order. */
  readonly after?: Pick<LoadFigures, "history" | "payments">;
}

/** What the callers need of a fleet: it may be in containers, or on its way somewhere else, or have one of each. */
export type Reached = Required<RunningServices>;

/** A payment that was acknowledged. */
export interface AcknowledgedPayment {
  readonly requestId: string;
  readonly paymentId: string;
  /** `100 EUR` */
  readonly amount: string;
  readonly reference: string;
  /** Whether its capture was acknowledged too. */
  captured: boolean;
}

/** What came of a load. */
export interface LoadFigures extends TallyFigures {
  /** Every order that was asked for, with its answers: for the oracle of `test/kills`. */
  readonly history: History;
  /** Every payment that was made directly and acknowledged; the reference of each begins with `load-`. */
  readonly payments: AcknowledgedPayment[];
}

/** Callers at work. */
export interface Load extends AsyncDisposable {
  /** Calls that were answered so far. */
  readonly answered: number;
  /** Waits until so many more calls have been answered; throws when none is for 30 s. */
  untilAnswered(more: number): Promise<void>;
  /** What came of the calls that have ended since this was asked last. */
  since(): TallyFigures;
  /** Lets every caller end what it has begun, again and again until it is answered, and tells what came of all of it. */
  stop(): Promise<LoadFigures>;
}

/** Where no call is answered for so long, the fleet is not slow but down. */
const STALLED_MS = 30_000;
/** What was not answered is asked for again after this, until it is: as a good client does. */
const AGAIN_MS = 100;
/** What is not answered for so long after the end of a load never will be. */
const GIVE_UP_MS = 60_000;
const POLL_MS = 20;

/** Starts callers, each workload over one channel to all replicas, as one process has it. */
export function startLoad(fleet: Reached, options: LoadOptions = {}): Load {
  const { orderCallers = 4, paymentCallers = 4, perSecond, timeoutMs = 10_000, attemptTimeoutMs = 1_000 } = options;
  const opened = new DisposableStack();
  const tally = new Tally();
  const history = options.after?.history ?? new History();
  const payments = options.after?.payments ?? [];
  const random = seededRandom(options.seed ?? 1);
  const times = { timeoutMs, attemptTimeoutMs };
  const stopping = new AbortController();
  const callers: (() => Promise<void>)[] = [];
  if (orderCallers > 0) {
    const caller = new OrderCaller({ orders: ordersOf(fleet, opened, times), tally, history, random });
    callers.push(...Array.from({ length: orderCallers }, () => () => caller.operate()));
  }
  if (paymentCallers > 0) {
    const caller = new PaymentCaller({ paying: paymentsOf(fleet, opened, times), tally, payments });
    callers.push(...Array.from({ length: paymentCallers }, () => () => caller.operate()));
  }
  const everyMs = perSecond === undefined ? undefined : (1_000 * callers.length) / perSecond;
  const running = Promise.all(
    callers.map((operate, at) => {
      const delayMs = ((everyMs ?? 0) * at) / callers.length;
      return repeat(operate, { everyMs, delayMs, signal: stopping.signal });
    }),
  );
  // Whoever stops the load hears of it.
  running.catch(() => undefined);
  const stop = async (): Promise<LoadFigures> => {
    stopping.abort();
    void setTimeout(GIVE_UP_MS, undefined, { ref: false }).then(() => {
      tally.gaveUp = true;
    });
    await running.finally(() => opened.dispose());
    return { ...tally.all(), history, payments };
  };
  return {
    get answered() {
      return tally.answered;
    },
    async untilAnswered(more) {
      const wanted = tally.answered + more;
      for (let last = tally.answered, atMs = performance.now(); tally.answered < wanted; ) {
        await Promise.race([setTimeout(POLL_MS), running]);
        if (tally.answered !== last) atMs = performance.now();
        last = tally.answered;
        if (performance.now() - atMs > STALLED_MS) throw new Error(`No call was answered for ${STALLED_MS} ms.`);
      }
    },
    since: () => tally.since(),
    stop,
    async [Symbol.asyncDispose]() {
      if (!stopping.signal.aborted) await stop();
    },
  };
}

/** Operates again and again until told to end, and then ends what has begun. */
async function repeat(
  operate: () => Promise<void>,
  options: { readonly everyMs: number | undefined; readonly delayMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { everyMs, delayMs, signal } = options;
  if (everyMs === undefined) {
    while (!signal.aborted) await operate();
    return;
  }
  const begun = new Set<Promise<void>>();
  const firstMs = performance.now() + delayMs;
  for (let count = 0; !signal.aborted; count += 1) {
    await setTimeout(Math.max(0, firstMs + count * everyMs - performance.now()));
    const operation = operate();
    begun.add(operation);
    void operation.then(() => begun.delete(operation));
  }
  await Promise.all(begun);
}

interface Times {
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
}

function ordersOf(fleet: Reached, opened: DisposableStack, times: Times): Client<typeof OrderService> {
  const identity = opened.adopt(identityFromDirectory(fleet.deployment.tlsFolder("storefront")), (it) => it.close());
  const channels = mutualTlsChannels({
    identity,
    target: fleet.orders.map(({ port }) => `127.0.0.1:${port}`),
    serverId: spiffeIdOf("order-service"),
    channelOptions: { "grpc.service_config": serviceConfig([OrderService], { loadBalancing: "round_robin" }) },
  });
  opened.defer(() => channels.close());
  const tokens = tokensOf(fleet, "storefront", "order", ["read:orders", "write:orders"]);
  return createClient(OrderService, withToken(channels, tokens), times);
}

function paymentsOf(fleet: Reached, opened: DisposableStack, times: Times): Client<typeof PaymentService> {
  const identity = opened.adopt(identityFromDirectory(fleet.deployment.tlsFolder("order-service")), (it) => it.close());
  const channels = mutualTlsChannels({
    identity,
    target: fleet.payments.map(({ port }) => `127.0.0.1:${port}`),
    serverId: spiffeIdOf("payment-service"),
    channelOptions: { "grpc.service_config": serviceConfig([PaymentService], { loadBalancing: "round_robin" }) },
  });
  opened.defer(() => channels.close());
  const tokens = tokensOf(fleet, "order-service", "payment", ["write:payments"]);
  const { id: keyId, secret } = fleet.deployment.signing["order-service"];
  const credentials = [bearer({ tokens }), hmac({ keyId, secret })];
  return createClient(PaymentService, connect({ channels, credentials }), times);
}

/** Places an order, and reads it. */
class OrderCaller {
  readonly #orders: Client<typeof OrderService>;
  readonly #tally: Tally;
  readonly #history: History;
  readonly #random: Random;

  constructor(options: {
    readonly orders: Client<typeof OrderService>;
    readonly tally: Tally;
    readonly history: History;
    readonly random: Random;
  }) {
    this.#orders = options.orders;
    this.#tally = options.tally;
    this.#history = options.history;
    this.#random = options.random;
  }

  async operate(): Promise<void> {
    const request: OrderRequest = newRequest("storefront", "CreateOrder", { orders: 1, random: this.#random });
    // Before it is sent: what is written and never acknowledged was asked for all the same.
    this.#history.placings.push(request);
    const answer = await untilAnswered(this.#tally, "CreateOrder", () => send(this.#orders, request));
    this.#history.answered(request, answer);
    const [orderId = ""] = answer.orderIds;
    const { order } = await untilAnswered(this.#tally, "GetOrder", () => this.#orders.getOrder({ orderId }));
    if (order === undefined || contentAnswered(order) !== request.orders[0]?.content)
      this.#history.complaints.push(`order ${orderId} was read with another content`);
  }
}

/** Makes a payment, and captures it. */
class PaymentCaller {
  readonly #paying: Client<typeof PaymentService>;
  readonly #tally: Tally;
  readonly #payments: AcknowledgedPayment[];

  constructor(options: {
    readonly paying: Client<typeof PaymentService>;
    readonly tally: Tally;
    readonly payments: AcknowledgedPayment[];
  }) {
    this.#paying = options.paying;
    this.#tally = options.tally;
    this.#payments = options.payments;
  }

  async operate(): Promise<void> {
    const [requestId, captureId] = [randomUUID(), randomUUID()];
    const reference = `load-${requestId}`;
    const amount = { currencyCode: "EUR", minorUnits: 100n };
    const request = { requestId, client: "storefront", reference, amount };
    const { payment } = await untilAnswered(this.#tally, "CreatePayment", () => this.#paying.createPayment(request));
    const paymentId = payment?.paymentId ?? "";
    const acknowledged = { requestId, paymentId, amount: "100 EUR", reference, captured: false };
    this.#payments.push(acknowledged);
    const capture = { requestId: captureId, paymentId, client: "storefront" };
    await untilAnswered(this.#tally, "CapturePayment", () => this.#paying.capturePayment(capture));
    acknowledged.captured = true;
  }
}

/** After these nobody knows what became of the call: it is made again, as it was. Any other code is an answer, and a wrong one. */
const unknownOutcome: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.UNKNOWN,
  status.INTERNAL,
  status.RESOURCE_EXHAUSTED,
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
]);

/** Makes a call until it is answered; each that is not is an error that its caller has seen, and counted. */
async function untilAnswered<T>(tally: Tally, method: string, call: () => Promise<T>): Promise<T> {
  for (;;) {
    const beganMs = performance.now();
    try {
      const answer = await call();
      tally.ended(method, "OK", performance.now() - beganMs);
      return answer;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      tally.ended(method, status[error.code], performance.now() - beganMs, error.message);
      if (!unknownOutcome.has(error.code) || tally.gaveUp) throw error;
      await setTimeout(AGAIN_MS);
    }
  }
}
