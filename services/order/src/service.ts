import { identityOf } from "@zero-trust/auth";
import {
  type ApiKeyOptions,
  type ApiKeySource,
  apiKey,
  bearer,
  type GrantSource,
  type KeySet,
  type LimitsOptions,
  type TokenRevocations,
} from "@zero-trust/auth/server";
import { isDatabaseReady } from "@zero-trust/database";
import type { TlsIdentity } from "@zero-trust/mtls";
import { OrderService } from "@zero-trust/proto/order/v1";
import { type Log, type ServeOptions, type Serving, serve, service, type Telemetry } from "@zero-trust/server";
import type { Kysely } from "kysely";
import { orderHandlers } from "./handlers.ts";
import type { OrderSchema } from "./migrations.ts";
import { OrderChanges } from "./order-changes.ts";
import { Outbox, type OutboxOptions } from "./outbox.ts";
import { OutboxStore } from "./outbox-store.ts";
import { SettledElsewhere } from "./settled-elsewhere.ts";
import { OrderStore } from "./store.ts";

/** Several times the largest request that the .proto allows; what nobody needs, an attacker would fill memory with. */
const MAX_MESSAGE_BYTES = 64 * 1024;

/** All that the order service depends on; whoever makes these closes them. */
export interface OrderDependencies {
  readonly log: Log;
  readonly identity: TlsIdentity;
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  readonly trustDomain: string;
  /** Who has to have issued a token. */
  readonly issuer: string;
  readonly tokenKeys: KeySet;
  readonly revocations: TokenRevocations;
  readonly grants: GrantSource;
  readonly apiKeys: ApiKeySource;
  /** Hears, now and then, which API keys are used. */
  readonly apiKeyUses?: ApiKeyOptions["onUsed"];
  /** Gets every decision besides the log, where given: what it throws or rejects with refuses the call. */
  readonly decisions?: ServeOptions["decisions"];
  /** How many calls a caller may make, where other than the defaults. */
  readonly limits?: LimitsOptions;
  readonly db: Kysely<OrderSchema>;
  readonly payments: OutboxOptions["payments"];
  /** Measures and traces, where given. */
  readonly telemetry?: Telemetry;
}

/**
 * Wires the order service, serves it, and pays what is still to be paid.
 *
 * @throws ConfigError when it cannot listen
 */
export async function serveOrders(dependencies: OrderDependencies): Promise<Serving> {
  const { log, identity, host, port, trustDomain, issuer, grants, db, payments } = dependencies;
  const { tokenKeys, revocations, apiKeyUses, decisions, limits = {}, telemetry } = dependencies;
  const audience = `https://order.${trustDomain}`;
  const changes = new OrderChanges();
  const outboxStore = new OutboxStore(db);
  const outbox = new Outbox({
    store: outboxStore,
    payments,
    log,
    onSettled: (orderId) => changes.tell(orderId),
    ...(telemetry === undefined ? {} : { inTrace: telemetry.within }),
  });
  const store = new OrderStore(db);
  const handlers = orderHandlers({
    store,
    changes,
    onUnavailable: (err) => log.warn({ err }, "the database cannot be used"),
    onPlaced: () => outbox.wake(),
    callerOf: (metadata) => identityOf(metadata).client,
    traceParentOf: (metadata) => telemetry?.traceParentOf(metadata),
  });
  const credentials = [
    apiKey({ keys: dependencies.apiKeys, audience, ...(apiKeyUses === undefined ? {} : { onUsed: apiKeyUses }) }),
    bearer({ issuer, audience, keys: tokenKeys, revocations }),
  ];
  const serving = await serve({
    log,
    identity,
    host,
    port,
    protect: { trustDomain, grants, credentials, limits },
    decisions,
    telemetry,
    services: [service(OrderService, handlers)],
    limits: { maxMessageBytes: MAX_MESSAGE_BYTES },
    readiness: {
      store: () => isDatabaseReady(db),
      issuerKeys: () => tokenKeys.isReady(),
      revocations: () => revocations.isReady(),
    },
  });
  telemetry?.observe("zt.outbox.orders", async () => (await outboxStore.waiting()).orders);
  telemetry?.observe("zt.outbox.oldest_age_seconds", async () => {
    const { oldestAtMs } = await outboxStore.waiting();
    return oldestAtMs === undefined ? 0 : Math.max(0, Date.now() - oldestAtMs) / 1000;
  });
  await outbox.start();
  const elsewhere = new SettledElsewhere({ store, changes, log });
  return {
    port: serving.port,
    async close() {
      // Watches would keep the server draining for as long as their orders are unpaid.
      changes.close();
      await elsewhere.close();
      await serving.close();
      await outbox.close();
    },
  };
}
