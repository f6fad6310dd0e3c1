// The same request again, and services that are stopped while they are called.
import { Metadata } from "@grpc/grpc-js";
import { bearer, connect } from "@zero-trust/auth/client";
import { tokensOf } from "@zero-trust/infra/callers";
import { spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient, serviceConfig } from "@zero-trust/rpc";
import { expect } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { bearerOf, newOrder, newPayment, payingCall } from "./credentials.ts";
import { errorStatus } from "./error-status.ts";
import { scenariosOn } from "./scenario.ts";

const { createOrder } = OrderService.method;
const { createPayment } = PaymentService.method;
const scenario = scenariosOn();

scenario(
  "P16",
  "a request id takes effect once: the same answer, a refusal of another body, and another client's is another",
  async (trial) => {
    const { stack } = trial;
    const scopes = ["write:orders"];
    const storefront = { as: "storefront", metadata: await bearerOf(stack, "storefront", "order", scopes) } as const;
    const partner = { as: "partner", metadata: await bearerOf(stack, "partner", "order", scopes) } as const;
    const before = await trial.settled();
    const message = newOrder();
    const place = (call: typeof storefront | typeof partner, placed = message) =>
      trial.call(createOrder, { ...call, message: placed });
    const idOf = ({ messages }: Awaited<ReturnType<typeof place>>) => messages[0]?.order?.orderId;

    const first = await place(storefront);
    const again = await place(storefront);
    trial.observe(
      "an order, again",
      "served",
      again.status === "OK" && idOf(again) === idOf(first) ? "served" : again.status,
    );
    const other = { ...newOrder(), requestId: message.requestId ?? "", lines: [] };
    const changed = { ...newOrder(), requestId: message.requestId ?? "" };
    changed.lines = [{ sku: "MUG", quantity: 3, unitPrice: { currencyCode: "EUR", minorUnits: 617n } }];
    trial.observe(
      "an order of that id with another body",
      "FAILED_PRECONDITION",
      (await place(storefront, changed)).status,
    );
    expect((await place(storefront, other)).status).toBe("INVALID_ARGUMENT");
    const another = await place(partner);
    trial.observe(
      "an order of that id by another client",
      "served",
      another.status === "OK" && idOf(another) !== idOf(first) ? "served" : another.status,
    );
    const after = await trial.settled();
    expect({ ...after, ledgerSum: 0 }).toMatchObject({
      orders: before.orders + 2,
      payments: before.payments + 2,
      charges: before.charges + 2,
    });

    const payment = newPayment();
    const paid = await trial.call(createPayment, await payingCall(stack, payment));
    const paidAgain = await trial.call(createPayment, await payingCall(stack, payment));
    const samePayment = paidAgain.messages[0]?.payment?.paymentId === paid.messages[0]?.payment?.paymentId;
    trial.observe("a payment, again", "served", paidAgain.status === "OK" && samePayment ? "served" : paidAgain.status);
    const amount = { currencyCode: "EUR", minorUnits: 200n };
    const dearer = { requestId: payment.requestId ?? "", client: "storefront", reference: "attack", amount };
    const refused = await trial.call(createPayment, await payingCall(stack, dearer));
    trial.observe("a payment of that id with another amount", "FAILED_PRECONDITION", refused.status);
    expect((await trial.settled()).payments).toBe(after.payments + 1);
  },
);

scenario("P17", "services that are stopped and started under load fail no call", async (trial) => {
  const { stack } = trial;
  const before = await trial.settled();
  await using load = startLoad(stack);
  await load.moves();
  for (const service of ["order", "payment", "issuer"] as const) {
    trial.restarts(service);
    await stack[service].stop("SIGTERM");
    await stack[service].restart();
    await load.moves();
  }
  const { placed, read, failed } = await load.stop();
  console.log(`P17: ${placed} orders placed and ${read} lists read over three restarts, ${failed.length} calls failed`);
  trial.observe(
    "order, payment and issuer are stopped (SIGTERM) and started",
    "served",
    failed.length === 0 ? "served" : failed.join(", "),
  );
  const { orders, payments, charges, ledgerSum } = await trial.settled();
  expect({ orders, payments, charges, ledgerSum }).toEqual({
    orders: before.orders + placed,
    payments: before.payments + placed,
    charges: before.charges + placed,
    ledgerSum: 0,
  });
});

/** Clients as real ones are: they wait until a service is there, and try again what may be tried again. */
function startLoad(stack: Stack) {
  const opened = new DisposableStack();
  const metadata = new Metadata({ waitForReady: true });
  const failed: string[] = [];
  const progress: number[] = [];
  let [placed, read, running] = [0, 0, true];
  const clientOf = (as: Workload) => {
    const identity = opened.adopt(identityFromDirectory(stack.deployment.tlsFolder(as)), (it) => it.close());
    const channels = opened.adopt(
      mutualTlsChannels({
        identity,
        target: `127.0.0.1:${stack.order.port}`,
        serverId: spiffeIdOf("order-service"),
        channelOptions: { "grpc.service_config": serviceConfig([OrderService]) },
      }),
      (them) => them.close(),
    );
    const credentials = [bearer({ tokens: tokensOf(stack, as, "order", ["read:orders", "write:orders"]) })];
    return createClient(OrderService, connect({ channels, credentials }), { timeoutMs: 60_000 });
  };
  async function loop(call: () => Promise<unknown>, count: () => void): Promise<void> {
    const number = progress.push(0) - 1;
    while (running) {
      await call().then(count, (error: unknown) => failed.push(errorStatus(error)));
      progress[number] = (progress[number] ?? 0) + 1;
    }
  }
  const loops = (["storefront", "partner"] as const).flatMap((as) => {
    const client = clientOf(as);
    const placing = () =>
      loop(
        () => client.createOrder(newOrder(), { metadata }),
        () => (placed += 1),
      );
    const reading = () =>
      loop(
        () => client.listOrders({ pageSize: 5 }, { metadata }),
        () => (read += 1),
      );
    // So many that there are always some under way.
    return [...Array.from({ length: 4 }, placing), reading()];
  });
  const stop = async () => {
    running = false;
    await Promise.all(loops);
    opened.dispose();
    return { placed, read, failed };
  };
  return {
    stop,
    /** Resolves when every loop has come further. */
    async moves() {
      const start = [...progress];
      const moved = () => progress.every((count, number) => count > (start[number] ?? 0) + 2);
      await expect.poll(moved, { timeout: 60_000, interval: 20 }).toBe(true);
    },
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}
