import { X509Certificate } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DescMethod } from "@bufbuild/protobuf";
import { audiences } from "@zero-trust/infra/names";
import { renew } from "@zero-trust/infra/pki/issue";
import { revoke } from "@zero-trust/infra/pki/revoke";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { decodeProtectedHeader } from "jose";
import { vi } from "vitest";
import { becomes } from "../attacks/becomes.ts";
import { type Connection, callOn, connectionOn, type Outcome, type RunningCall } from "../attacks/call.ts";
import { bearerOf, newOrder, signedBy } from "../attacks/credentials.ts";
import { askIssuer } from "../attacks/issuer-request.ts";
import { idOf, ztKeys } from "../attacks/keys-command.ts";
import { certificateOf, type Showing } from "../attacks/showing.ts";
import type { Fleet } from "./fleet.ts";

type Metadata = Readonly<Record<string, string>>;

/** Something that an operator, or a client, takes back. */
export interface Taking {
  readonly what: string;
  /** Gets everything ready, so that nothing is left but the act. */
  readonly prepare: (fleet: Fleet) => Promise<Taken>;
}

/** What is about to be taken back, and where it is good until then. */
interface Taken {
  readonly act: () => Promise<unknown>;
  readonly good: readonly Good[];
  /** Puts back what others need. */
  readonly after?: () => Promise<unknown>;
}

/** What somebody does with it at one service: a call, over and over, and a stream that stays open, where a method takes it. */
interface Good {
  readonly service: "order" | "payment";
  readonly as: Showing;
  readonly call: (connection: Connection) => Promise<Outcome>;
  readonly stream?: (connection: Connection) => RunningCall<DescMethod>;
}

/** When it was refused, at the replica that was the last to. Times are milliseconds since the act began. */
export interface TakenFigures {
  readonly what: string;
  readonly service: "order" | "payment";
  readonly replicas: number;
  readonly newCallMs: number;
  /** Undefined where no method that streams takes it. */
  readonly streamMs: number | undefined;
  /** How calls and streams were refused. */
  readonly statuses: readonly string[];
}

const { getPayment, listTransactions, reconcileTransactions } = PaymentService.method;
const { createOrder, importOrders, listOrders, watchOrder } = OrderService.method;
/** The statuses of calls that were let in. */
const letIn: ReadonlySet<string> = new Set(["OK", "NOT_FOUND"]);
const sealed = "--file payment/signing-keys.json --key-encryption-key payment/key-encryption-key";
/** What a busy machine makes of a check that has its time: that lets nobody in, and takes nothing back. */
const unchecked = "UNAVAILABLE CHECK_UNAVAILABLE";
/** Longer than anything may take to be refused. */
const STREAM_MS = 120_000;
/** How often a new call is made. */
const POLL_MS = 100;
/** Nobody waits for longer: by then it is known that it takes too long. */
const patience = { timeout: 60_000, interval: POLL_MS };

/** Takes something back while it is used at every replica, and tells when each has refused it. */
export async function takeBack(fleet: Fleet, { what, prepare }: Taking): Promise<readonly TakenFigures[]> {
  const { act, good, after } = await prepare(fleet);
  const used = await Promise.all(good.map((each) => useEverywhere(fleet, each)));
  const startMs = performance.now();
  try {
    await act();
    return await Promise.all(
      used.map(async (replicas, at): Promise<TakenFigures> => {
        const ends = await Promise.all(replicas.map((replica) => replica(startMs)));
        const streams = ends.flatMap(({ stream }) => (stream === undefined ? [] : [stream]));
        return {
          what,
          service: good[at]?.service ?? "order",
          replicas: ends.length,
          newCallMs: Math.max(...ends.map(({ call }) => call.ms)),
          streamMs: streams.length === 0 ? undefined : Math.max(...streams.map(({ ms }) => ms)),
          statuses: [...new Set([...ends.map(({ call }) => call.status), ...streams.map(({ status }) => status)])],
        };
      }),
    );
  } finally {
    await after?.();
  }
}

interface End {
  readonly ms: number;
  readonly status: string;
}

/** Makes a call to each replica of a service, and opens a stream; gives for each what waits until both are refused. */
async function useEverywhere(fleet: Fleet, { service, as, call, stream }: Good) {
  return await Promise.all(
    fleet[`${service}s`].map(async ({ port }) => {
      // Kept: a revoked certificate makes no new connection, and is not to make a call on one that there is.
      const connection = connectionOn(fleet, service, { as, port });
      const streaming = connectionOn(fleet, service, { as, port });
      const ended = stream && untilRefused(() => stream(streaming));
      let before: Refused | undefined;
      void ended?.then((refused) => {
        before = refused;
      });
      await vi.waitUntil(async () => letIn.has((await call(connection)).status), patience);
      return async (startMs: number) => {
        using opened = new DisposableStack();
        opened.use(connection);
        opened.use(streaming);
        const since = () => Math.round(performance.now() - startMs);
        if (before !== undefined && before.atMs < startMs)
          throw new Error(`The stream had ended before: ${before.status}.`);
        const refused = await vi.waitUntil(async () => {
          const outcome = await call(connection);
          return !letIn.has(outcome.status) && outcome.status !== unchecked && outcome;
        }, patience);
        const end: End = { ms: since(), status: refused.status };
        const refusal = await ended;
        const stream = refusal && { ms: Math.round(refusal.atMs - startMs), status: refusal.status };
        return { call: end, stream };
      };
    }),
  );
}

interface Refused {
  /** As `performance.now()` tells it. */
  readonly atMs: number;
  readonly status: string;
}

/** Keeps a stream open until it is refused: where there was no time to check it, it is opened again. */
async function untilRefused(open: () => RunningCall<DescMethod>): Promise<Refused> {
  for (;;) {
    const { status } = await open().outcome;
    if (status !== unchecked) return { atMs: performance.now(), status };
  }
}

const bearer = (stack: Fleet, client: "order-service" | "partner" | "storefront") =>
  client === "order-service"
    ? bearerOf(stack, client, "payment", ["read:transactions"])
    : bearerOf(stack, client, "order", ["read:orders", "write:orders"]);

/** What a token is good for at order: reading, and an import that is never ended. */
function ordering(as: Showing, metadata: Metadata): Good {
  const { requestId = "", lines = [] } = newOrder();
  return {
    service: "order",
    as,
    call: (connection) => connection.call(listOrders, { metadata }),
    stream: (connection) =>
      connection.open(importOrders, { message: { requestId, lines }, metadata, timeoutMs: STREAM_MS }),
  };
}

/** A line that the ledger does not have: the stream is begun, and what it differs in is answered. */
const someLine = { transactionId: "txn_00000000000000000000000000000000", currencyCode: "EUR", minorUnits: 1n };

/** What a token of order-service is good for at payment: reading, and a reconciliation that is never ended. */
function reconciling(as: Showing, metadata: Metadata): Good {
  return {
    service: "payment",
    as,
    call: (connection) => connection.call(listTransactions, { metadata }),
    stream: (connection) =>
      connection.open(reconcileTransactions, { message: someLine, metadata, timeoutMs: STREAM_MS }),
  };
}

const tokenOf = ({ authorization = "" }: Metadata) => authorization.slice("Bearer ".length);

/** All that can be taken back, in an order in which nothing takes away what comes later. */
export const takings: readonly Taking[] = [
  {
    what: "an API key",
    async prepare(fleet) {
      const issue = (service: "order" | "payment", scope: string) =>
        ztKeys(
          fleet,
          `issue api --file ${service}/api-keys.json --audience ${audiences[service]} --client storefront --scope ${scope}`,
        );
      const keys = {
        order: await issue("order", "read:orders"),
        payment: await issue("payment", "read:transactions"),
      };
      const orderId = await unpaidOrder(fleet);
      const good: readonly Good[] = [
        {
          service: "order",
          as: "storefront",
          call: (connection) => connection.call(listOrders, { metadata: { "x-api-key": keys.order } }),
          stream: (connection) =>
            ended(
              connection.open(watchOrder, {
                message: { orderId },
                metadata: { "x-api-key": keys.order },
                timeoutMs: STREAM_MS,
              }),
            ),
        },
        {
          service: "payment",
          as: "storefront",
          call: (connection) => connection.call(listTransactions, { metadata: { "x-api-key": keys.payment } }),
        },
      ];
      for (const each of good) await everywhere(fleet, each, "OK");
      return {
        good,
        act: () =>
          Promise.all(
            (["order", "payment"] as const).map((service) =>
              ztKeys(fleet, `revoke api ${idOf(keys[service])} --file ${service}/api-keys.json`),
            ),
          ),
      };
    },
  },
  {
    what: "a signing key",
    async prepare(fleet) {
      const message = { paymentId: "pay_00000000000000000000000000000000" };
      const call = (connection: Connection) =>
        connection.call(getPayment, { message, metadata: signedBy(fleet, "storefront", getPayment, message) });
      const { id } = fleet.deployment.signing.storefront;
      return {
        good: [{ service: "payment", as: "storefront", call }],
        act: () => ztKeys(fleet, `revoke signing ${id} ${sealed}`),
      };
    },
  },
  {
    what: "a token, by its client at the issuer",
    async prepare(fleet) {
      const [own, orders] = [await bearer(fleet, "storefront"), await bearer(fleet, "order-service")];
      const takeBackOf = (clientId: "order-service" | "storefront", metadata: Metadata) =>
        askIssuer(fleet, {
          path: "/oauth/revoke",
          as: clientId,
          form: { client_id: clientId, token: tokenOf(metadata) },
        });
      return {
        good: [ordering("storefront", own), reconciling("order-service", orders)],
        act: () => Promise.all([takeBackOf("storefront", own), takeBackOf("order-service", orders)]),
      };
    },
  },
  {
    what: "a client of the issuer",
    async prepare(fleet) {
      return {
        good: [ordering("partner", await bearer(fleet, "partner"))],
        act: () => ztKeys(fleet, "revoke client partner --file issuer/clients.json"),
      };
    },
  },
  {
    what: "a grant",
    async prepare(fleet) {
      const file = join(fleet.deployment.folder, "payment/grants.json");
      const before = readFileSync(file, "utf8");
      const message = { paymentId: "pay_00000000000000000000000000000000" };
      const stream = reconciling("order-service", await bearer(fleet, "order-service"));
      const call = (connection: Connection) => connection.call(getPayment, { message });
      return {
        good: [{ ...stream, call }],
        act: async () => replace(file, JSON.stringify({ grants: [] })),
        async after() {
          replace(file, before);
          await everywhere(fleet, { ...stream, call }, "NOT_FOUND");
        },
      };
    },
  },
  {
    what: "a certificate that is not in use any more",
    async prepare(fleet) {
      const { deployment } = fleet;
      const place = { pki: deployment.pki };
      const stolen = { partner: certificateOf(fleet, "storefront"), order: certificateOf(fleet, "order-service") };
      const good = [
        ordering(stolen.partner, await bearer(fleet, "storefront")),
        reconciling(stolen.order, await bearer(fleet, "order-service")),
      ];
      const serials = (["storefront", "order-service"] as const).map((workload) => serialIn(fleet, workload));
      for (const workload of ["storefront", "order-service"] as const)
        await renew(place, deployment.tlsFolder(workload), { force: true, nowMs: Date.now() });
      return {
        good,
        act: async () => {
          for (const serial of serials) await revoke(place, serial, { reason: "key-compromise", nowMs: Date.now() });
        },
      };
    },
  },
  {
    what: "a key of the issuer",
    async prepare(fleet) {
      const [own, orders] = [await bearer(fleet, "storefront"), await bearer(fleet, "order-service")];
      await ztKeys(fleet, "rotate issuer --file issuer/signing-jwks.json");
      const kid = String(decodeProtectedHeader(tokenOf(own)).kid);
      return {
        good: [ordering("storefront", own), reconciling("order-service", orders)],
        act: () => ztKeys(fleet, `revoke issuer ${kid} --file issuer/signing-jwks.json`),
      };
    },
  },
];

/** Waits until a call has a status at every replica. */
async function everywhere(fleet: Fleet, { service, as, call }: Good, wanted: string): Promise<void> {
  for (const { port } of fleet[`${service}s`]) {
    await becomes(wanted, async () => {
      using connection = connectionOn(fleet, service, { as, port });
      return await call(connection);
    });
  }
}

/** An order that stays as it is, so that whoever watches it goes on. */
async function unpaidOrder(fleet: Fleet): Promise<string> {
  const metadata = await bearer(fleet, "storefront");
  const { messages } = await callOn(fleet, createOrder, { as: "storefront", message: newOrder(), metadata });
  const orderId = messages[0]?.order?.orderId ?? "";
  await vi.waitUntil(async () => (await fleet.effects()).pending === 0, patience);
  await fleet.alter("order", `UPDATE orders SET state = 'PENDING' WHERE order_id = '${orderId}'`);
  return orderId;
}

function serialIn({ deployment }: Fleet, workload: "order-service" | "storefront"): string {
  return new X509Certificate(readFileSync(join(deployment.tlsFolder(workload), "tls.crt"))).serialNumber.toLowerCase();
}

function replace(file: string, content: string): void {
  writeFileSync(`${file}.next`, content);
  renameSync(`${file}.next`, file);
}

function ended<M extends DescMethod>(running: RunningCall<M>): RunningCall<M> {
  running.stream.end();
  return running;
}
