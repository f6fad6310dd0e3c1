// The issuer's composition root: configuration, identity, clients, keys, server, in this order; closed in reverse.
import { identityFromDirectory } from "@zero-trust/mtls";
import { identityLog, recordLog, runService } from "@zero-trust/server";
import { readIssuerConfig } from "./config.ts";
import { listen } from "./listen.ts";
import { createIssuer, readClients, readSigningKeys } from "./service.ts";

await runService("issuer", async (log) => {
  const { host, port, tlsDirectory, trustDomain, issuer, clientsFile, signingJwksFile } = readIssuerConfig();

  const identity = identityFromDirectory(tlsDirectory, { onEvent: identityLog(log) });
  const clients = readClients(clientsFile, { trustDomain });
  const signingKeys = readSigningKeys(signingJwksFile);

  const server = createIssuer({ log, identity, trustDomain, issuer, clients, signingKeys });
  const listening = await listen(server, { host, port });
  recordLog(log, "lifecycle").info({ host, port: listening.port, spiffeId: identity.spiffeId }, "listening");

  return {
    async close() {
      await listening.close();
      identity.close();
    },
  };
});
