import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Credential, definePolicy, type Rule } from "@zero-trust/auth";
import { newApiKey, newSigningKey } from "@zero-trust/auth/issue";
import { apiKey, bearer, hmac, jwks, memoryNonceStore, parseGrants, signingSecret } from "@zero-trust/auth/server";
import { httpsAgent, identityFromDirectory, identityFromMemory, mutualTlsHttpsServer } from "@zero-trust/mtls";
import { createLog, type Serving, serve, service } from "@zero-trust/server";
import { createTokenIssuer, PingService, pingHandlers, type TestCa } from "@zero-trust/testkit";
import { workloadFolder } from "./workload-folder.ts";

/** Our server, which takes a signature for Ping and PingMany, an API key or a token for Ping, and one caller's credentials. */
export interface CredentialsServer extends Serving, AsyncDisposable {
  readonly apiKey: string;
  readonly signingKey: { readonly keyId: string; readonly secret: string };
  /** A token for the certificate with this thumbprint. */
  token(thumbprint: string): Promise<string>;
  /** The texts that reached the handler of Ping. */
  readonly handled: readonly string[];
}

const audience = "https://ping.production.internal";
const issuerId = "spiffe://production.internal/issuer";
const rule = (credential: Credential): Rule => ({ credentials: [credential], scopes: ["read:test"] });

/** Starts it as `serverId`, with the server of keys that its tokens are verified with. */
export async function startCredentialsServer(ca: TestCa, serverId: string): Promise<CredentialsServer> {
  const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
  const keyServer = mutualTlsHttpsServer(
    { identity: identityFromMemory(await ca.issue({ spiffeId: issuerId })) },
    (_request, response) => void response.end(JSON.stringify(tokens.jwks)),
  );
  keyServer.listen(0, "127.0.0.1");
  await once(keyServer, "listening");
  const url = new URL(`https://127.0.0.1:${(keyServer.address() as AddressInfo).port}/`);
  const identity = identityFromDirectory(await workloadFolder(ca, serverId));
  const keys = jwks({ url, agent: httpsAgent({ identity, serverId: issuerId }) });

  const scopes = new Set(["read:test"]);
  const { key, id, sha256 } = newApiKey("live");
  const record = { id, client: "reporting", audience, scopes, secrets: [{ sha256 }] };
  const signing = newSigningKey();
  const signingKey = { id: signing.id, client: "partner", audience, scopes, secret: signingSecret(signing.secret) };
  const handled: string[] = [];
  const { ping, ...handlers } = pingHandlers();
  const policy = definePolicy(PingService, {
    ping: [Credential.API_KEY, Credential.BEARER, Credential.HMAC].map(rule),
    pingMany: [rule(Credential.HMAC)],
    pingSum: [rule(Credential.BEARER)],
    pingEach: [rule(Credential.BEARER)],
  });
  const noting: typeof ping = (request, context) => {
    handled.push(request.text);
    return ping(request, context);
  };
  const grants = parseGrants({ grants: [] });
  const serving = await serve({
    log: createLog({ name: "ping", destination: { write: () => undefined } }),
    identity,
    host: "127.0.0.1",
    port: 0,
    protect: {
      trustDomain: "production.internal",
      grants: { current: () => grants },
      credentials: [
        apiKey({ keys: { find: (wanted) => (wanted === id ? record : undefined) }, audience }),
        bearer({ issuer: tokens.issuer, audience, keys }),
        hmac({
          keys: { find: (wanted) => (wanted === signing.id ? signingKey : undefined) },
          // As one that has been there for long.
          nonces: memoryNonceStore({ now: () => Date.now() - 3_600_000 }),
          audience,
        }),
      ],
    },
    services: [service(PingService, { ...handlers, ping: noting }, { policy })],
  });
  return {
    ...serving,
    apiKey: key.expose(),
    signingKey: { keyId: signing.id, secret: signing.secret.expose() },
    token: (thumbprint) =>
      tokens.sign({
        aud: audience,
        sub: "storefront",
        client_id: "storefront",
        scope: "read:test",
        cnf: { "x5t#S256": thumbprint },
      }),
    handled,
    async [Symbol.asyncDispose]() {
      await serving.close();
      keys.close();
      keyServer.closeAllConnections();
      keyServer.close();
    },
  };
}
