import type { Mutant } from "./mutant.ts";

const handlers = ["services/order/src/handlers.test.ts"];

/** What takes effect once, through failures and restarts too, and what is under way when a service stops. */
export const effectMutants: readonly Mutant[] = [
  {
    id: "request-body-not-compared",
    opens: "a request id that was used before gets the answer to another request",
    file: "services/order/src/store.ts",
    search: "if (!Buffer.from(row.fingerprint).equals(request.fingerprint)) throw",
    replace: "if (row.fingerprint.length === 0) throw",
    tests: handlers,
  },
  {
    id: "cut-off-at-the-stop",
    opens: "a restart fails the calls that are running",
    file: "packages/server/src/serve.ts",
    search: "    await tls.close();\n    // Nothing is left",
    replace: "    server.forceShutdown();\n    await tls.close();\n    // Nothing is left",
    also: [
      {
        file: "packages/rpc/src/service-config.ts",
        search: `retryableStatusCodes: ["UNAVAILABLE"],`,
        replace: `retryableStatusCodes: ["ABORTED"],`,
      },
    ],
    tests: ["packages/server/src/serve.test.ts"],
    named: "drains",
  },
  {
    id: "outbox-asks-anew",
    opens: "an order whose payment was made, and the answer lost, is paid again",
    file: "services/order/src/outbox.ts",
    search: "{ requestId: entry.createRequestId, client, reference: orderId, amount: total },",
    replace: "{ requestId: globalThis.crypto.randomUUID(), client, reference: orderId, amount: total },",
    tests: ["services/order/src/outbox.test.ts"],
  },
  {
    id: "outbox-begins-with-nothing",
    opens: "what was acknowledged before a crash is left alone after it",
    file: "services/order/src/outbox.ts",
    search: "    await this.#options.store.makeAllDue();\n    this.wake();",
    replace: "    await this.#options.store.makeAllDue();",
    tests: ["services/order/src/outbox.test.ts"],
    named: "pays an order that was there before it started",
  },
  {
    id: "request-of-another-payment",
    opens: "a payment of one amount is answered with one of another",
    file: "services/payment/src/store.ts",
    search: `if (!Buffer.from(request.fingerprint).equals(claim.fingerprint)) throw new PaymentError("REQUEST_REUSED");`,
    replace: "",
    tests: ["services/payment/src/payments.test.ts"],
    named: "refuses a request_id that was used for another request",
  },
];
