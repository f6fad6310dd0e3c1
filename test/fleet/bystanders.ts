import { setTimeout } from "node:timers/promises";
import { apiKey, connect } from "@zero-trust/auth/client";
import { channelsTo, type RunningServices, tokensOf, withToken } from "@zero-trust/infra/callers";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient, serviceConfig } from "@zero-trust/rpc";
import { CountedCalls, quantilesOf } from "./counted-calls.ts";

/** Callers who read and sign nothing, while something else is broken: what they see is what a fault costs the others. */
export interface Bystanders {
  /** What they have seen since they were asked last. */
  since(): { readonly calls: number; readonly failures: readonly string[]; readonly p99: number };
  stop(): Promise<void>;
}

const THINKING_MS = 20;
const times = { timeoutMs: 10_000, attemptTimeoutMs: 1_500 };

/** reporting reads the ledger with its API key, partner its orders with a token, each again and again. */
export function startBystanders(stack: RunningServices): Bystanders {
  const opened = new DisposableStack();
  const config = serviceConfig([OrderService, PaymentService], { loadBalancing: "round_robin" });
  const channels = (from: "partner" | "reporting", service: "order" | "payment") =>
    opened.adopt(channelsTo(stack, from, service, { "grpc.service_config": config }), (them) => them.close());
  const credentials = [apiKey({ key: stack.deployment.apiKey })];
  const ledger = createClient(
    PaymentService,
    connect({ channels: channels("reporting", "payment"), credentials }),
    times,
  );
  const tokens = tokensOf(stack, "partner", "order", ["read:orders"]);
  const orders = createClient(OrderService, withToken(channels("partner", "order"), tokens), times);
  let counted = new CountedCalls();
  let stopped = false;
  const repeat = async (what: string, call: () => Promise<unknown>) => {
    while (!stopped) {
      const its = new CountedCalls();
      await its.count(what, call);
      counted.failures.push(...its.failures);
      counted.tookMs.push(...its.tookMs);
      await setTimeout(THINKING_MS);
    }
  };
  const calling = Promise.all([
    repeat("ListTransactions", () => ledger.listTransactions({ pageSize: 10 })),
    repeat("ListOrders", () => orders.listOrders({ pageSize: 10 })),
  ]);
  return {
    since() {
      const { failures, tookMs } = counted;
      counted = new CountedCalls();
      return { calls: tookMs.length + failures.length, failures, p99: quantilesOf(tookMs).p99 };
    },
    async stop() {
      stopped = true;
      await calling;
      opened.dispose();
    },
  };
}
