// The issuer's composition root: read from top to bottom, it is the service; it is closed from bottom to top.
import { openDatabase } from "@zero-trust/database";
import { identityFromDirectory } from "@zero-trust/mtls";
import { databaseOptions, identityLog, openValkey, recordLog, runService, startTelemetry } from "@zero-trust/server";
import { readIssuerConfig } from "./config.ts";
import { listen } from "./listen.ts";
import {
  clientsFile,
  createIssuer,
  type IssuerSchema,
  migrations,
  revocationsFile,
  signingKeysFile,
} from "./service.ts";

await runService("issuer", async (log) => {
  const config = readIssuerConfig();
  const { host, port, trustDomain, keyLeadMs } = config;
  const opened = new AsyncDisposableStack();
  const telemetry = opened.adopt(
    await startTelemetry({ log, service: "issuer", ...config.telemetry }),
    async (it) => await it.close(),
  );

  const identity = opened.adopt(identityFromDirectory(config.tlsDirectory, { onEvent: identityLog(log) }), (it) =>
    it.close(),
  );

  const onError = (err: Error) => log.warn({ err }, "the version before stays in force");
  const clients = clientsFile(config.clientsFile, { trustDomain, onError });
  const signingKeys = signingKeysFile(config.signingJwksFile, { onError });
  const revocations = revocationsFile(config.revocationsFile, { onError });

  const db = opened.adopt(
    await openDatabase<IssuerSchema>({ ...databaseOptions(config.database, { identity, trustDomain }), migrations }),
    async (database) => await database.destroy(),
  );

  const valkey =
    config.valkey === undefined ? undefined : await openValkey(config.valkey, { identity, trustDomain, log });
  opened.defer(() => valkey?.close());
  const issuer = opened.adopt(
    await createIssuer({
      log,
      identity,
      trustDomain,
      issuer: config.issuer,
      clients,
      signingKeys,
      revocations,
      db,
      keyLeadMs,
      telemetry,
      publishRevocations: valkey?.publishRevocations,
    }),
    async (it) => await it.close(),
  );
  const listening = await listen(issuer.server, { host, port });
  opened.defer(async () => await listening.close());
  recordLog(log, "lifecycle").info({ host, port: listening.port, spiffeId: identity.spiffeId }, "listening");

  return { close: async () => await opened.disposeAsync() };
});
