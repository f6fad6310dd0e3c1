import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { tokensOf } from "@zero-trust/infra/callers";
import type { Workload } from "@zero-trust/infra/names";
import { writeProtoDeps } from "@zero-trust/infra/proto-deps";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const top = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

let stack: Stack;
beforeAll(async () => {
  // The schema imports third parties' .proto files.
  writeProtoDeps();
  stack = await startStack(newStackFolder("buf-curl"));
});
afterAll(() => stack[Symbol.asyncDispose]());

interface Curl {
  readonly from: Workload;
  readonly service: "order" | "payment";
  readonly method: string;
  readonly headers?: readonly string[];
  readonly data?: unknown;
}

/** A gRPC client that shares no code with ours (Go), over mutual TLS. */
async function curl({ from, service, method, headers = [], data = {} }: Curl): Promise<unknown> {
  const tls = (name: string) => join(stack.deployment.tlsFolder(from), name);
  const { stdout } = await run(
    join(top, "node_modules/.bin/buf"),
    [
      "curl",
      "--protocol=grpc",
      "--schema=proto",
      `--cacert=${tls("ca.crt")}`,
      `--cert=${tls("tls.crt")}`,
      `--key=${tls("tls.key")}`,
      `--servername=${service}-service.production.internal`,
      ...headers.map((header) => `--header=${header}`),
      `--data=${JSON.stringify(data)}`,
      `https://127.0.0.1:${stack[service].port}/${method}`,
    ],
    { cwd: top },
  );
  return stdout === "" ? {} : (JSON.parse(stdout) as unknown);
}

/** The code and ErrorInfo that buf prints. */
function refusalOf(error: unknown): string {
  const { code, details } = JSON.parse((error as { readonly stderr: string }).stderr) as {
    readonly code: string;
    readonly details: readonly { readonly value: string }[];
  };
  // A message of two texts, readable as it stands.
  const info = Buffer.from(details[0]?.value ?? "", "base64")
    .toString("latin1")
    .replace(/[^ -~]+/g, " ");
  return `${code}${info}`;
}

describe("a foreign client", () => {
  const unitPrice = { currencyCode: "EUR", minorUnits: "1299" };
  const order = () => ({ requestId: randomUUID(), lines: [{ sku: "TEA-GREEN", quantity: 3, unitPrice }] });

  test("places an order over mutual TLS with a token", async () => {
    const token = await tokensOf(stack, "storefront", "order", ["write:orders"]).token();
    const headers = [`authorization: Bearer ${token}`];
    const method = "order.v1.OrderService/CreateOrder";
    const answer = await curl({ from: "storefront", service: "order", method, headers, data: order() });
    expect(answer).toMatchObject({ order: { client: "storefront", total: { minorUnits: "3897" } } });
  });
  test("reads the reason of a refusal", async () => {
    const method = "order.v1.OrderService/CreateOrder";
    const refused = await curl({ from: "storefront", service: "order", method, data: order() }).then(String, refusalOf);
    expect(refused).toBe("unauthenticated CREDENTIAL_MISSING auth.zerotrust");
  });
  test("reads both lines of a paid order in the ledger, with an API key", async () => {
    const token = await tokensOf(stack, "storefront", "order", ["read:orders", "write:orders"]).token();
    const orders = (method: string, data: unknown) => {
      const headers = [`authorization: Bearer ${token}`];
      return curl({ from: "storefront", service: "order", method: `order.v1.OrderService/${method}`, headers, data });
    };
    const { order: placed } = (await orders("CreateOrder", order())) as {
      readonly order: { readonly orderId: string };
    };
    const paid = () => orders("GetOrder", { orderId: placed.orderId });
    await expect.poll(paid, { timeout: 15_000 }).toMatchObject({ order: { state: "ORDER_STATE_PAID" } });
    const { order: read } = (await paid()) as { readonly order: { readonly paymentId: string } };

    const headers = [`x-api-key: ${stack.deployment.apiKey}`];
    const method = "payment.v1.PaymentService/ListTransactions";
    const { transactions } = (await curl({ from: "reporting", service: "payment", method, headers })) as {
      readonly transactions: readonly { readonly paymentId: string; readonly minorUnits: string }[];
    };
    const ofPayment = transactions.filter(({ paymentId }) => paymentId === read.paymentId);
    expect(ofPayment.map(({ minorUnits }) => Number(minorUnits)).sort((a, b) => a - b)).toEqual([-3897, 3897]);
  });
});
