import type { Mutant } from "./mutant.ts";

/** Whose orders and payments a caller gets to see. */
export const ownershipMutants: readonly Mutant[] = [
  {
    id: "order-of-another-client",
    opens: "whoever knows the id of an order reads it, whose ever it is",
    file: "services/order/src/store.ts",
    search: `.where("order_id", "=", orderId)\n      .where("client", "=", client)\n      .execute();`,
    replace: `.where("order_id", "=", orderId)\n      .execute();\n    void client;`,
    tests: ["services/order/src/handlers.test.ts"],
    named: "another client's order",
  },
  {
    id: "payment-of-another-client",
    opens: "whoever knows the id of a payment and its client reads it",
    file: "services/payment/src/store.ts",
    search: `.where((where) => where.or([where("client", "=", sight.caller), where("created_by", "=", sight.caller)]))`,
    replace: "",
    tests: ["services/payment/src/handlers.test.ts"],
    named: "another client's payment",
  },
  {
    id: "payment-for-another-client",
    opens: "order-service charges and reads a payment for another client than it is for",
    file: "services/payment/src/store.ts",
    search: `.where("client", "=", sight.client)`,
    replace: "",
    tests: ["services/payment/src/handlers.test.ts"],
  },
];
