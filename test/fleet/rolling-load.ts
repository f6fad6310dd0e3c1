import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { apiKey, bearer, connect, hmac, type Presenter } from "@zero-trust/auth/client";
import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import type { Workload } from "@zero-trust/infra/names";
import { type Order, OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient, RpcError, serviceConfig } from "@zero-trust/rpc";
import { CountedCalls } from "./counted-calls.ts";
import type { Rolled } from "./rolled.ts";

/** Callers of every kind, who call until they are stopped, and whose every call is counted. */
export interface RollingLoad {
  readonly counted: CountedCalls;
  /** Resolves when everybody has called once more, so that what was changed has been used. */
  oneMoreRound(): Promise<void>;
  /** Resolves when the calls under way have ended. */
  stop(): Promise<void>;
}

/** How long one call may take; what takes longer has failed. */
const CALL_TIMEOUT_MS = 20_000;
/** Between two rounds of one caller: the machine is to be busy and not flooded. */
const THINKING_MS = 20;

/**
 * Begins to call: storefront places orders, and watches each until it is paid; partner reads with tokens that it gets for its secret; reporting reads
 * the ledger with its API key; storefront reads payments with signatures, order-service the ledger with a token.
 *
 * @param options.retries - whether a call is tried again as `serviceConfig()` says, and a stream opened again; otherwise every attempt is counted
 */
export function startRollingLoad(stack: Rolled, { retries }: { readonly retries: boolean }): RollingLoad {
  const opened = new DisposableStack();
  const counted = new CountedCalls();
  const { keys } = stack;
  // A stream that a server refused, which it has not looked at, is opened once more in either case: that is gRPC's own.
  const config = serviceConfig(retries ? [OrderService, PaymentService] : [], { loadBalancing: "round_robin" });
  const channels = (from: Workload, service: "order" | "payment") => {
    const channelOptions = { "grpc.service_config": config };
    return opened.adopt(channelsTo(stack, from, service, channelOptions), (them) => them.close());
  };
  const ordersAs = (client: Workload) => {
    const tokens = tokensOf(stack, client, "order", ["read:orders", "write:orders"]);
    const to = withToken(channels(client, "order"), tokens);
    return createClient(OrderService, to, { timeoutMs: CALL_TIMEOUT_MS });
  };
  const paymentsAs = (client: Workload, ...credentials: Presenter[]) => {
    const to = connect({ channels: channels(client, "payment"), credentials });
    return createClient(PaymentService, to, { timeoutMs: CALL_TIMEOUT_MS });
  };

  const storefront = ordersAs("storefront");
  const partner = ordersAs("partner");
  const reporting = paymentsAs("reporting", apiKey({ key: () => keys.apiKey }));
  const signed = paymentsAs("storefront", hmac({ key: () => keys.signing }));
  const tokens = tokensOf(stack, "order-service", "payment", ["read:transactions"]);
  const ledger = paymentsAs("order-service", bearer({ tokens }));
  let paymentId = "";

  async function watch(orderId: string, again = retries): Promise<Order> {
    let last: Order | undefined;
    try {
      for await (const { order } of storefront.watchOrder({ orderId })) last = order;
    } catch (error) {
      // A stream does not outlive its server, which says so: nothing is lost with it.
      if (!again || !(error instanceof RpcError) || error.code !== status.UNAVAILABLE) throw error;
      counted.reopened += 1;
      return await watch(orderId, false);
    }
    if (last?.state !== OrderState.PAID) throw new Error(`The stream ended before ${orderId} was paid.`);
    return last;
  }
  async function buy(): Promise<void> {
    const unitPrice = { currencyCode: "EUR", minorUnits: 500n };
    const lines = [{ sku: "MUG", quantity: 1, unitPrice }];
    const placed = await counted.count("CreateOrder, with a token", () =>
      storefront.createOrder({ requestId: randomUUID(), lines }),
    );
    const { orderId } = placed?.order ?? {};
    if (orderId === undefined) return;
    const paid = await counted.count("WatchOrder until it is paid, with a token", () => watch(orderId));
    paymentId = paid?.paymentId ?? paymentId;
  }
  const read = (what: string, call: () => Promise<unknown>) => async () => void (await counted.count(what, call));
  const readPayment = async () => {
    if (paymentId !== "") await counted.count("GetPayment, signed", () => signed.getPayment({ paymentId }));
  };
  const callers = [
    buy,
    buy,
    read("ListOrders, with a token for a secret", () => partner.listOrders({ pageSize: 10 })),
    read("ListTransactions, with an API key", () => reporting.listTransactions({ pageSize: 10 })),
    read("ListTransactions, with a token", () => ledger.listTransactions({ pageSize: 10 })),
    readPayment,
  ];
  const rounds = callers.map(() => 0);
  let stopped = false;
  const calling = callers.map(async (call, at) => {
    while (!stopped) {
      await call();
      rounds[at] = (rounds[at] ?? 0) + 1;
      await setTimeout(THINKING_MS);
    }
  });
  return {
    counted,
    async oneMoreRound() {
      const before = [...rounds];
      // What was under way may have begun before.
      while (rounds.some((count, at) => count < (before[at] ?? 0) + 2)) await setTimeout(THINKING_MS);
    },
    async stop() {
      stopped = true;
      await Promise.all(calling);
      opened.dispose();
    },
  };
}
