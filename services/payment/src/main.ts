// The payment service's composition root: read from top to bottom, it is the service; it is closed from bottom to top.
import { anyRevocations, jwks, memoryNonceStore, sharedLimits, tokenRevocations } from "@zero-trust/auth/server";
import { apiKeyUseFile, decisionFile, grantsFile, signingKeyFile } from "@zero-trust/auth/stores/file";
import { openDatabase, plainQueries } from "@zero-trust/database";
import { httpsAgent, identityFromDirectory } from "@zero-trust/mtls";
import { databaseOptions, identityLog, openApiKeys, openValkey, runService, startTelemetry } from "@zero-trust/server";
import { readPaymentConfig } from "./config.ts";
import { migrations, type PaymentSchema } from "./migrations.ts";
import { servePayments } from "./service.ts";
import { simulatedAcquirer } from "./simulated-acquirer.ts";

/** A key that the issuer withdraws is dead within 30 s; some of them are for the issuer to see its file changed. */
const KEY_REFRESH_MS = 20_000;

await runService("payment", async (log) => {
  const config = readPaymentConfig();
  const { host, port, trustDomain, issuer, issuerAddress } = config;
  const opened = new AsyncDisposableStack();
  const telemetry = opened.adopt(
    await startTelemetry({ log, service: "payment", ...config.telemetry }),
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
    await openDatabase<PaymentSchema>({ ...databaseOptions(config.database, { identity, trustDomain }), migrations }),
    async (database) => await database.destroy(),
  );
  const apiKeys = opened.adopt(await openApiKeys(config.apiKeys, { pool: plainQueries(db), onError }), (keys) =>
    keys.close(),
  );
  const signingKeys = opened.adopt(
    signingKeyFile({ path: config.signingKeysFile, keyEncryptionKeyPath: config.keyEncryptionKeyFile, onError }),
    (file) => file.close(),
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
  const nonces = valkey?.nonces() ?? memoryNonceStore();
  telemetry.observeSources({ grants, apiKeys, signingKeys, tokenKeys, revocations });

  const acquirer = opened.adopt(
    await simulatedAcquirer(databaseOptions(config.acquirer, { identity, trustDomain })),
    async (simulator) => await simulator.close(),
  );

  const serving = await servePayments({
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
    signingKeys,
    nonces,
    db,
    acquirer,
    telemetry,
  });
  opened.defer(async () => await serving.close());

  return { close: async () => await opened.disposeAsync() };
});
