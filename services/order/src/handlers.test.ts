import { type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Channel, credentials, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { Engine } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import {
  type CreateOrderRequestSchema,
  ListOrdersResponseSchema,
  OrderService,
  OrderState,
} from "@zero-trust/proto/order/v1";
import { addService, type Client, createClient, encodePageToken, type FailedCall } from "@zero-trust/rpc";
import type { Kysely } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { openOrders } from "../test/open-orders.ts";
import { orderHandlers } from "./handlers.ts";
import type { OrderSchema } from "./migrations.ts";
import { OrderChanges } from "./order-changes.ts";
import { OutboxStore } from "./outbox-store.ts";
import { OrderStore } from "./store.ts";

describe.each<Engine>(["sqlite", "postgres"])("on %s", (engine) => {
  let databases: Databases;
  beforeAll(async () => {
    databases = await startDatabases(engine);
  });
  afterAll(() => databases[Symbol.asyncDispose]());

  const cleanUps: (() => unknown)[] = [];
  let client: Client<typeof OrderService>;
  let db: Kysely<OrderSchema>;
  let changes: OrderChanges;
  let placed: number;
  let errors: [unknown, FailedCall][];

  beforeEach(async () => {
    db = await openOrders(await databases.fresh());
    cleanUps.push(() => db.destroy());
    changes = new OrderChanges();
    placed = 0;
    errors = [];
    const server = new Server();
    const handlers = orderHandlers({
      store: new OrderStore(db),
      changes,
      onPlaced: () => void placed++,
      callerOf: (metadata) => String(metadata.get("test-caller")[0]),
    });
    addService(server, OrderService, handlers, { onError: (...failed) => errors.push(failed) });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    cleanUps.push(() => server.forceShutdown());
    const channel = new Channel(`127.0.0.1:${port}`, credentials.createInsecure(), {});
    cleanUps.push(() => channel.close());
    client = createClient(OrderService, { channel: () => channel });
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  function as(caller: string) {
    const metadata = new Metadata();
    metadata.set("test-caller", caller);
    return { metadata };
  }

  type OrderInit = MessageInitShape<typeof CreateOrderRequestSchema>;

  const requestId = (number = 1) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
  const line = (minorUnits = 1000n, currencyCode = "EUR") => ({
    sku: "BOOK",
    quantity: 2,
    unitPrice: { currencyCode, minorUnits },
  });
  const asked = (number = 1, lines = [line()]) => ({ requestId: requestId(number), lines });

  async function* streamOf(...requests: OrderInit[]) {
    for (const { requestId: id = "", lines = [] } of requests) yield { requestId: id, lines };
  }

  async function place(caller = "storefront", number = 1): Promise<string> {
    return (await client.createOrder(asked(number), as(caller))).order?.orderId ?? "";
  }

  const count = async (table: "orders" | "order_lines" | "outbox") =>
    (await db.selectFrom(table).select("order_id").execute()).length;

  async function settle(orderId: string, state: "PAID" | "DECLINED" = "PAID") {
    await new OutboxStore(db).settle(orderId, { state, paymentId: `pay_${"0".repeat(32)}` });
    changes.tell(orderId);
  }

  test("places an order with its total, and its payment in the outbox", async () => {
    const lines = [line(1000n), { ...line(333n), sku: "PEN", quantity: 3 }];
    const { order } = await client.createOrder(asked(1, lines), as("storefront"));
    expect(order).toMatchObject({
      client: "storefront",
      total: { currencyCode: "EUR", minorUnits: 2999n },
      state: OrderState.PENDING,
      paymentId: "",
    });
    expect(order?.orderId).toMatch(/^ord_[0-9a-f]{32}$/u);
    expect(order?.lines).toMatchObject(lines);
    expect(await count("outbox")).toBe(1);
    expect(placed).toBe(1);
    expect((await client.getOrder({ orderId: order?.orderId ?? "" }, as("storefront"))).order).toEqual(order);
  });

  test("the same request gets the first answer, though the order has moved on", async () => {
    const first = await client.createOrder(asked(), as("storefront"));
    await settle(first.order?.orderId ?? "");
    expect(await client.createOrder(asked(), as("storefront"))).toEqual(first);
    expect(await count("orders")).toBe(1);
    expect(await count("outbox")).toBe(0);
  });

  test("the same request twice at once is one order", async () => {
    const answers = await Promise.all([1, 2].map(() => client.createOrder(asked(), as("storefront"))));
    expect(answers[0]).toEqual(answers[1]);
    expect(await count("orders")).toBe(1);
  });

  test("refuses a request_id that was used for another request", async () => {
    await place();
    const reused = { code: status.FAILED_PRECONDITION, message: "This request_id was used for another request." };
    await expect(client.createOrder(asked(1, [line(1n)]), as("storefront"))).rejects.toMatchObject(reused);
    await expect(client.importOrders(streamOf(asked()), as("storefront"))).rejects.toMatchObject(reused);
    expect(await count("orders")).toBe(1);
  });

  test("the same request_id of another client is another order", async () => {
    expect(await place("partner")).not.toBe(await place("storefront"));
  });

  test("another client's order is answered like one that does not exist", async () => {
    const orderId = await place();
    const notFound = { code: status.NOT_FOUND, message: "There is no such order." };
    await expect(client.getOrder({ orderId }, as("partner"))).rejects.toMatchObject(notFound);
    await expect(client.getOrder({ orderId: `ord_${"0".repeat(32)}` }, as("partner"))).rejects.toMatchObject(notFound);
    const watching = client.watchOrder({ orderId }, as("partner"))[Symbol.asyncIterator]();
    await expect(watching.next()).rejects.toMatchObject(notFound);
  });

  test("refuses mixed currencies and a total beyond the limit, and writes nothing", async () => {
    for (const lines of [
      [line(), line(1n, "USD")],
      [line(1_000_000_000n), line(1_000_000_000n)],
    ])
      await expect(client.createOrder(asked(1, lines), as("storefront"))).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
      });
    expect(await count("orders")).toBe(0);
  });

  test("imports orders in the order in which they were sent, and again without doing it twice", async () => {
    const orders = [asked(1), asked(2, [line(5n)]), asked(3)];
    const first = await client.importOrders(streamOf(...orders), as("storefront"));
    expect(first.orderIds).toHaveLength(3);
    expect(placed).toBe(1);
    const listed = await client.listOrders({}, as("storefront"));
    expect(listed.orders.map((order) => order.orderId)).toEqual(first.orderIds);
    expect(await client.importOrders(streamOf(...orders), as("storefront"))).toEqual(first);
    expect(await count("orders")).toBe(3);
    expect(await count("outbox")).toBe(3);
  });

  test.each([
    ["has mixed currencies", asked(3, [line(), line(1n, "USD")]), status.INVALID_ARGUMENT],
    ["breaks a rule of the contract", asked(3, []), status.INVALID_ARGUMENT],
    ["reuses a request_id", asked(1, [line(7n)]), status.FAILED_PRECONDITION],
  ])("imports none when one order %s", async (_, wrong, code) => {
    const importing = client.importOrders(streamOf(asked(1), asked(2), wrong), as("storefront"));
    await expect(importing).rejects.toMatchObject({ code });
    for (const table of ["orders", "order_lines", "outbox"] as const) expect(await count(table)).toBe(0);
  });

  test("refuses an import that is too long", async () => {
    const many = Array.from({ length: 1001 }, (_, number) => asked(number));
    await expect(client.importOrders(streamOf(...many), as("storefront"))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    expect(await count("orders")).toBe(0);
  });

  test("refuses an import of too many lines", async () => {
    const lines = Array.from({ length: 100 }, () => line());
    const many = Array.from({ length: 101 }, (_, number) => asked(number, lines));
    await expect(client.importOrders(streamOf(...many), as("storefront"))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: "The orders of an import have at most 10000 lines.",
    });
    expect(await count("orders")).toBe(0);
  });

  test("ends a page early when its orders would not fit into a message, and goes on with the next", async () => {
    const full = Array.from({ length: 100 }, () => ({ ...line(), sku: "S".repeat(32) }));
    const own: string[] = [];
    for (let batch = 0; batch < 3; batch++) {
      const orders = Array.from({ length: 100 }, (_, number) => asked(batch * 100 + number, full));
      own.push(...(await client.importOrders(streamOf(...orders), as("storefront"))).orderIds);
    }
    const pages: string[][] = [];
    let pageToken = "";
    do {
      const page = await client.listOrders({ pageSize: 500, pageToken }, as("storefront"));
      expect(toBinary(ListOrdersResponseSchema, page).byteLength).toBeLessThan(1024 * 1024);
      pages.push(page.orders.map((order) => order.orderId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(pages.flat()).toEqual(own);
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.length).toBeLessThan(10);
  });

  test("lists a client's own orders page by page, each once, oldest first", async () => {
    const own: string[] = [];
    for (let number = 1; number <= 5; number++) {
      own.push(await place("storefront", number));
      await place("partner", number);
    }
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await client.listOrders({ pageSize: 2, pageToken }, as("storefront"));
      seen.push(...page.orders.map((order) => order.orderId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual(own);
  });

  test("refuses a page token that was tampered with, or given to another client", async () => {
    for (let number = 1; number <= 2; number++) await place("storefront", number);
    const { nextPageToken } = await client.listOrders({ pageSize: 1 }, as("storefront"));
    const flipped = nextPageToken.startsWith("A") ? `B${nextPageToken.slice(1)}` : `A${nextPageToken.slice(1)}`;
    const refused = { code: status.INVALID_ARGUMENT };
    await expect(client.listOrders({ pageToken: flipped }, as("storefront"))).rejects.toMatchObject(refused);
    await expect(client.listOrders({ pageToken: nextPageToken }, as("partner"))).rejects.toMatchObject(refused);
    // Made with the right sum, of what no database of text can read.
    const made = encodePageToken({ list: "order.v1.OrderService/ListOrders", after: "ord_\0" });
    await expect(client.listOrders({ pageToken: made }, as("storefront"))).rejects.toMatchObject(refused);
  });

  test.each(["PAID", "DECLINED"] as const)("watches an order until it is %s", async (state) => {
    const orderId = await place();
    const states: OrderState[] = [];
    for await (const { order } of client.watchOrder({ orderId }, as("storefront"))) {
      states.push(order?.state ?? OrderState.UNSPECIFIED);
      if (order?.state === OrderState.PENDING) await settle(orderId, state);
    }
    expect(states).toEqual([OrderState.PENDING, OrderState[state]]);
    await vi.waitFor(() => expect(changes.watched).toEqual([]));
  });

  test("watching an order that is final answers it and ends", async () => {
    const orderId = await place();
    await settle(orderId);
    const states: unknown[] = [];
    for await (const { order } of client.watchOrder({ orderId }, as("storefront"))) states.push(order?.state);
    expect(states).toEqual([OrderState.PAID]);
  });

  test("a change without a new state is not answered", async () => {
    const orderId = await place();
    const watching = client.watchOrder({ orderId }, as("storefront"))[Symbol.asyncIterator]();
    await watching.next();
    changes.tell(orderId);
    const second = watching.next();
    await settle(orderId);
    expect(await second).toMatchObject({ value: { order: { state: OrderState.PAID } } });
  });

  test("a watch ends when the caller leaves, without a word in the log", async () => {
    const orderId = await place();
    const abort = new AbortController();
    const watching = client
      .watchOrder({ orderId }, { ...as("storefront"), signal: abort.signal })
      [Symbol.asyncIterator]();
    await watching.next();
    expect(changes.watched).toHaveLength(1);
    const next = watching.next();
    abort.abort();
    await expect(next).rejects.toMatchObject({ code: status.CANCELLED });
    await vi.waitFor(() => expect(changes.watched).toEqual([]));
    expect(errors).toEqual([]);
  });

  test("a watch ends with UNAVAILABLE when the server closes", async () => {
    const orderId = await place();
    const watching = client.watchOrder({ orderId }, as("storefront"))[Symbol.asyncIterator]();
    await watching.next();
    const next = watching.next();
    changes.close();
    await expect(next).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      message: "The server is closing: watch the order again.",
    });
  });
});
