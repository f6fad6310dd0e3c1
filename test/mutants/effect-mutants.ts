import type { Mutant } from "./mutant.ts";

const handlers = ["services/order/src/handlers.test.ts"];

/** What takes effect once, and what is under way when a service stops. */
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
];
