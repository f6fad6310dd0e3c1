import { X509Certificate } from "node:crypto";
import type { AddressInfo } from "node:net";
import { newApiKey, newSigningKey } from "@zero-trust/auth/issue";
import { identityFromMemory, mutualTlsHttpsServer, type TlsMaterial } from "@zero-trust/mtls";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import type { JSONWebKeySet } from "jose";

export const trustDomain = "production.internal";
export const issuerName: string = `https://issuer.${trustDomain}`;
export const audience: string = `https://ping.${trustDomain}`;
/** Who calls, by its certificate, its tokens and its signing keys. */
export const client = "storefront";
export const callerId: string = `spiffe://${trustDomain}/${client}`;
export const scope = "read:test";

/** A nonce store gives a key a quarter of itself, which one would have used up within a minute of this load. */
const SIGNING_KEYS = 4;

/** What a server under test is given. */
export interface ServerMaterial {
  readonly tls: TlsMaterial;
  /** `host:port` of the authorization server, which is the bench itself. */
  readonly issuerAddress: string;
  readonly jwks: JSONWebKeySet;
  readonly signingKeys: readonly { readonly id: string; readonly secret: string }[];
  readonly apiKey: { readonly id: string; readonly sha256: string };
}

/** What the load calls with. */
export interface CallerMaterial {
  readonly tls: TlsMaterial;
  readonly tokens: readonly string[];
  readonly signingKeys: readonly { readonly id: string; readonly secret: string }[];
  readonly apiKey: string;
  /** Where a client gets tokens by itself. */
  readonly issuerAddress: string;
}

/** Certificates, keys and tokens that live as long as a run. */
export interface Material extends AsyncDisposable {
  readonly server: ServerMaterial;
  /** Signs so many tokens, each of its own and bound to the caller's certificate; they are good for five minutes. */
  callerWith(tokens: number): Promise<CallerMaterial>;
}

/** Makes them, and serves tokens, the key set and the (empty) list of revoked tokens as an authorization server does. */
export async function makeMaterial(): Promise<Material> {
  const ca = await createCa();
  const [tls, caller, issuerTls] = await Promise.all(
    ["ping", client, "issuer"].map((name) => ca.issue({ spiffeId: `spiffe://${trustDomain}/${name}` })),
  );
  if (tls === undefined || caller === undefined || issuerTls === undefined) throw new TypeError("unreachable");
  const issuer = await createTokenIssuer({ issuer: issuerName });
  const signingKeys = Array.from({ length: SIGNING_KEYS }, () => {
    const { id, secret } = newSigningKey();
    return { id, secret: secret.expose() };
  });
  const apiKey = newApiKey("live");
  const documents: Readonly<Record<string, unknown>> = {
    "/.well-known/jwks.json": issuer.jwks,
    "/.well-known/revoked-tokens.json": { tokens: [], clients: [] },
  };
  const https = mutualTlsHttpsServer({ identity: identityFromMemory(issuerTls) }, ({ url = "" }, response) => {
    const answer = (document: unknown) => {
      response.setHeader("content-type", "application/json").end(JSON.stringify(document ?? {}));
    };
    if (url === "/oauth/token") void tokenResponse().then(answer);
    else answer(documents[url]);
  });
  const tokenResponse = async () => ({
    access_token: await issuer.sign(claims),
    token_type: "Bearer",
    expires_in: 300,
  });
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  const { port } = https.address() as AddressInfo;
  const issuerAddress = `127.0.0.1:${port}`;
  const thumbprint = Buffer.from(new X509Certificate(caller.cert).fingerprint256.replaceAll(":", ""), "hex");
  const claims = {
    aud: audience,
    sub: client,
    client_id: client,
    scope,
    cnf: { "x5t#S256": thumbprint.toString("base64url") },
  };
  return {
    server: {
      tls,
      issuerAddress,
      jwks: issuer.jwks,
      signingKeys,
      apiKey: { id: apiKey.id, sha256: apiKey.sha256 },
    },
    async callerWith(count) {
      const tokens: string[] = [];
      for (let made = 0; made < count; made += 1) tokens.push(await issuer.sign(claims));
      return { tls: caller, tokens, signingKeys, apiKey: apiKey.key.expose(), issuerAddress };
    },
    async [Symbol.asyncDispose]() {
      https.closeAllConnections();
      await new Promise((resolve) => https.close(resolve));
    },
  };
}
