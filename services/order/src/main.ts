// The order service's composition root: read from top to bottom, it is the service; it is closed from bottom to top.
import { policyOf } from "@zero-trust/auth";
import { bearer, clientCredentials, connect, hmac } from "@zero-trust/auth/client";
import { anyRevocations, jwks, sharedLimits, tokenRevocations } from "@zero-trust/auth/server";
import { apiKeyUseFile, decisionFile, grantsFile, ownSigningKeyFile } from "@zero-trust/auth/stores/file";
import { openDatabase, plainQueries } from "@zero-trust/database";
import { httpsAgent, identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient, serviceConfig } from "@zero-trust/rpc";
import { databaseOptions, identityLog, openApiKeys, openValkey, runService, startTelemetry } from "@zero-trust/server";
import { readOrderConfig } from "./config.ts";
import { migrations, type OrderSchema } from "./migrations.ts";
import { serveOrders } from "./service.ts";

/** A key that the issuer withdraws is dead within 30 s; some of them are for the issuer to see its file changed. */
const KEY_REFRESH_MS = 20_000;
/** A payment service that has said nothing for so long may have stopped, and another one be there. */
const PAYMENT_ATTEMPT_MS = 2_000;

await runService("order", async (log) => {
  const config = readOrderConfig();
  const { host, port, trustDomain, issuer, issuerAddress } = config;
  const opened = new AsyncDisposableStack();
  const telemetry = opened.adopt(
    await startTelemetry({ log, service: "order", ...config.telemetry }),
    async (it) => await it.close(),
  );

  const identity = opened.adopt(identityFromDirectory(config.tlsDirectory, { onEvent: identityLog(log) }), (it) =>
    it.close(),
  );

  const onError = (err: Error) => log.warn({ err }, "the version before stays in force");
  const decisions = config.decisionsFile === undefined ? undefined : decisionFile(config.decisionsFile);
  opened.defer(() => decisions?.close());
  const grants = opened.adopt(grantsFile(config.grantsFile, { onError }), (file) => file.close());
  const db = opened.adopt(
    await openDatabase<OrderSchema>({ ...databaseOptions(config.database, { identity, trustDomain }), migrations }),
    async (database) => await database.destroy(),
  );
  const apiKeys = opened.adopt(await openApiKeys(config.apiKeys, { pool: plainQueries(db), onError }), (keys) =>
    keys.close(),
  );
  const apiKeyUses =
    config.apiKeyUsesFile === undefined ? undefined : apiKeyUseFile(config.apiKeyUsesFile, { onError });
  opened.defer(() => apiKeyUses?.close());
  const agent = opened.adopt(httpsAgent({ identity, serverId: `spiffe://${trustDomain}/issuer` }), (it) =>
    it.destroy(),
  );
  const tokenKeys = opened.adopt(
    jwks({ url: new URL(`https://${issuerAddress}/.well-known/jwks.json`), agent, refreshMs: KEY_REFRESH_MS, onError }),
    (keys) => keys.close(),
  );
  const valkey =
    config.valkey === undefined ? undefined : await openValkey(config.valkey, { identity, trustDomain, log });
  opened.defer(() => valkey?.close());
  const revocationList = opened.adopt(
    tokenRevocations({ url: new URL(`https://${issuerAddress}/.well-known/revoked-tokens.json`), agent, onError }),
    (list) => list.close(),
  );
  const revocations = valkey === undefined ? revocationList : anyRevocations(revocationList, valkey.revocations());
  telemetry.observeSources({ grants, apiKeys, tokenKeys, revocations });

  const { signingKeyId: keyId, signingSecretFile } = config;
  const signingKey = opened.adopt(ownSigningKeyFile(signingSecretFile, { keyId, onError }), (file) => file.close());
  const tokens = clientCredentials({
    tokenEndpoint: new URL(`https://${issuerAddress}/oauth/token`),
    agent,
    clientId: "order-service",
    audience: `https://payment.${trustDomain}`,
    scopes: ["write:payments"],
  });
  const channels = opened.adopt(
    mutualTlsChannels({
      identity,
      target: config.paymentAddress,
      serverId: `spiffe://${trustDomain}/payment-service`,
      channelOptions: { "grpc.service_config": serviceConfig([PaymentService], { loadBalancing: "round_robin" }) },
    }),
    (connections) => connections.close(),
  );
  telemetry.observeChannels(channels);
  const policies = [policyOf(PaymentService)];
  const payments = createClient(
    PaymentService,
    telemetry.channels(
      connect({ channels, credentials: [bearer({ tokens }), hmac({ key: signingKey.current })], policies }),
    ),
    { attemptTimeoutMs: PAYMENT_ATTEMPT_MS },
  );

  const serving = await serveOrders({
    log,
    identity,
    host,
    port,
    trustDomain,
    issuer,
    tokenKeys,
    revocations,
    grants,
    apiKeys,
    apiKeyUses: apiKeyUses?.used,
    decisions: decisions?.write,
    limits: { ...config.limits, ...(valkey === undefined ? {} : { store: sharedLimits(valkey.limits()) }) },
    db,
    payments,
    telemetry,
  });
  opened.defer(async () => await serving.close());

  return { close: async () => await opened.disposeAsync() };
});
