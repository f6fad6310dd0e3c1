/** `pnpm dev`: keeps the services up and prints commands that call them from another terminal. */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { tokensOf } from "./callers.ts";
import { clientEnvironment } from "./client-environment.ts";
import { interruption, untilAborted } from "./interruption.ts";
import type { Workload } from "./names.ts";
import { writeProtoDeps } from "./proto-deps.ts";
import { newStackFolder, type Stack, startStack } from "./stack.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function curl(
  stack: Stack,
  from: Workload,
  service: "order" | "payment",
  method: string,
  header: string,
  data: string,
): string {
  const folder = relative(root, stack.deployment.tlsFolder(from));
  return [
    "npx buf curl --protocol grpc --schema proto",
    `--cacert ${join(folder, "ca.crt")} --cert ${join(folder, "tls.crt")} --key ${join(folder, "tls.key")}`,
    `--servername ${service}-service.production.internal`,
    `-H '${header}'`,
    `-d '${data}'`,
    `https://127.0.0.1:${stack[service].port}/${method}`,
  ].join(" \\\n  ");
}

async function commands(stack: Stack): Promise<string> {
  const token = await tokensOf(stack, "storefront", "order", ["read:orders", "write:orders"]).token();
  const order = {
    requestId: crypto.randomUUID(),
    lines: [{ sku: "TEA-GREEN", quantity: 3, unitPrice: { currencyCode: "EUR", minorUnits: "1299" } }],
  };
  const bearer = `authorization: Bearer ${token}`;
  const key = `x-api-key: ${stack.deployment.apiKey}`;
  return [
    "The services are up, with keys made for this run. From the top of the repository, in another terminal:",
    "",
    "# storefront places an order with its token, which is good for five minutes",
    curl(stack, "storefront", "order", "order.v1.OrderService/CreateOrder", bearer, JSON.stringify(order)),
    "",
    "# storefront lists its orders",
    curl(stack, "storefront", "order", "order.v1.OrderService/ListOrders", bearer, "{}"),
    "",
    "# reporting lists the ledger with its API key",
    curl(stack, "reporting", "payment", "payment.v1.PaymentService/ListTransactions", key, "{}"),
    "",
    "# for calls by hand: the variables of docs/wire.md",
    ...Object.entries(clientEnvironment(stack)).map(([name, value]) => `export ${name}='${value}'`),
    "",
    "Ctrl-C stops everything and removes keys and databases.",
    "",
  ].join("\n");
}

const signal = interruption();
// buf reads them when it runs the commands.
writeProtoDeps();
process.stdout.write("Starting issuer, payment and order on loopback, with a PKI and keys made for this run …\n");
try {
  await using stack = await startStack(newStackFolder("dev"), { signal });
  process.stdout.write(await commands(stack));
  await untilAborted(signal);
  process.stdout.write("\nStopping the services …\n");
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = signal.aborted ? 130 : 1;
}
process.exit();
