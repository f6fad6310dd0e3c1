import { identityOf } from "@zero-trust/auth";
import {
  type ApiKeyOptions,
  type ApiKeySource,
  apiKey,
  bearer,
  type GrantSource,
  hmac,
  type KeySet,
  type KeySource,
  type LimitsOptions,
  type NonceStore,
  type TokenRevocations,
} from "@zero-trust/auth/server";
import { isDatabaseReady } from "@zero-trust/database";
import type { TlsIdentity } from "@zero-trust/mtls";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { type Log, type ServeOptions, type Serving, serve, service, type Telemetry } from "@zero-trust/server";
import type { Kysely } from "kysely";
import type { Acquirer } from "./acquirer.ts";
import { paymentHandlers } from "./handlers.ts";
import { LedgerStore } from "./ledger-store.ts";
import type { PaymentSchema } from "./migrations.ts";
import { Payments } from "./payments.ts";
import { PaymentStore } from "./store.ts";

/** Several times the largest request that the .proto allows; what nobody needs, an attacker would fill memory with. */
const MAX_MESSAGE_BYTES = 64 * 1024;

/** All that the payment service depends on; whoever makes these closes them. */
export interface PaymentDependencies {
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
  readonly signingKeys: KeySource;
  readonly nonces: NonceStore & { isReady(): boolean; readonly size?: number };
  readonly db: Kysely<PaymentSchema>;
  readonly acquirer: Acquirer;
  /** Measures and traces, where given. */
  readonly telemetry?: Telemetry;
}

/**
 * Wires the payment service and serves it.
 *
 * @throws ConfigError when it cannot listen
 */
export async function servePayments(dependencies: PaymentDependencies): Promise<Serving> {
  const { log, identity, host, port, trustDomain, issuer, grants, db, acquirer } = dependencies;
  const { tokenKeys, revocations, apiKeyUses, decisions, limits = {}, telemetry } = dependencies;
  const audience = `https://payment.${trustDomain}`;
  const store = new PaymentStore(db);
  const handlers = paymentHandlers({
    payments: new Payments({ store, acquirer }),
    store,
    ledger: new LedgerStore(db),
    callerOf: (metadata) => identityOf(metadata).client,
    onUnavailable: (err) => log.warn({ err }, "the database cannot be used"),
  });
  const credentials = [
    apiKey({ keys: dependencies.apiKeys, audience, ...(apiKeyUses === undefined ? {} : { onUsed: apiKeyUses }) }),
    bearer({ issuer, audience, keys: tokenKeys, revocations }),
    hmac({ keys: dependencies.signingKeys, nonces: dependencies.nonces, audience }),
  ];
  telemetry?.observe("zt.nonces.remembered", () => dependencies.nonces.size);
  return await serve({
    log,
    identity,
    host,
    port,
    protect: { trustDomain, grants, credentials, limits },
    decisions,
    telemetry,
    services: [service(PaymentService, handlers)],
    limits: { maxMessageBytes: MAX_MESSAGE_BYTES },
    readiness: {
      store: () => isDatabaseReady(db),
      issuerKeys: () => tokenKeys.isReady(),
      revocations: () => revocations.isReady(),
      nonces: () => dependencies.nonces.isReady(),
    },
  });
}
