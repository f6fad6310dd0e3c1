import { createTokenIssuer, type TestCa } from "@zero-trust/testkit";
import { vi } from "vitest";
import { newApiKey } from "../../src/api-key/format.ts";
import type { ApiKeyRecord } from "../../src/api-key/records.ts";
import { newSigningKey, type SigningKey, signingSecret } from "../../src/hmac/keys.ts";
import * as server from "../../src/server.ts";
import type { Verifier } from "../../src/verifier.ts";
import { json, startIssuerServer } from "../issuer-server.ts";
import { idOf } from "../ping-server.ts";

const audience = "https://ping.production.internal";
export const scope = "read:test";

/** Callers of every method, with what each needs to be let in, and what knows them. */
export interface TestCredentials extends AsyncDisposable {
  readonly grants: server.GrantSource;
  /** An API key of each kind of record. */
  readonly apiKeys: Readonly<Record<"good" | "unknown" | "otherService" | "withoutScope", string>>;
  readonly signingKeys: Readonly<Record<"good" | "unknown" | "withoutScope", { id: string; secret: string }>>;
  /** A token for the certificate with this thumbprint. */
  token(
    thumbprint: string,
    claims?: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ): Promise<string>;
  /** Verifiers of all three; the nonce store is a new one that has seen everything from the start, unless given. */
  verifiers(nonces?: server.NonceStore): readonly Verifier[];
  /** How often the token issuer's keys were read. */
  readonly jwksRequests: number;
}

/** Makes keys and tokens; the token issuer's keys are served over mutual TLS, as a service would read them. */
export async function testCredentials(ca: TestCa): Promise<TestCredentials> {
  const scopes = new Set([scope]);
  const records = new Map<string, ApiKeyRecord>();
  const issueApiKey = (changes: Partial<ApiKeyRecord>) => {
    const { key, id, sha256 } = newApiKey("live");
    records.set(id, { id, client: "reporting", audience, scopes, secrets: [{ sha256 }], ...changes });
    return key.expose();
  };
  const signingKeys = new Map<string, SigningKey>();
  const issueSigningKey = (changes: Partial<SigningKey>) => {
    const { id, secret } = newSigningKey();
    signingKeys.set(id, { id, client: "partner", audience, scopes, secret: signingSecret(secret), ...changes });
    return { id, secret: secret.expose() };
  };
  const unknown = newSigningKey();
  const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
  const issuer = await startIssuerServer(ca);
  issuer.answer = json(tokens.jwks);
  const keys = server.jwks({ url: issuer.url, agent: issuer.agent });
  // Before the first call, which would have half a second for it.
  await vi.waitUntil(() => keys.isReady(), { timeout: 10_000 });
  const grants = server.parseGrants({
    grants: [
      { spiffeId: idOf("order-service"), client: "order-service", scopes: [scope] },
      { spiffeId: idOf("idle"), client: "idle", scopes: [] },
    ],
  });
  return {
    grants: { current: () => grants },
    apiKeys: {
      good: issueApiKey({}),
      unknown: newApiKey("live").key.expose(),
      otherService: issueApiKey({ audience: "https://order.production.internal" }),
      withoutScope: issueApiKey({ scopes: new Set(["read:orders"]) }),
    },
    signingKeys: {
      good: issueSigningKey({}),
      unknown: { id: unknown.id, secret: unknown.secret.expose() },
      withoutScope: issueSigningKey({ scopes: new Set(["read:orders"]) }),
    },
    token(thumbprint, claims = {}, header = {}) {
      const names = { aud: audience, sub: "storefront", client_id: "storefront", scope };
      return tokens.sign({ ...names, cnf: { "x5t#S256": thumbprint }, ...claims }, header);
    },
    get jwksRequests() {
      return issuer.requests;
    },
    verifiers: (nonces = server.memoryNonceStore({ now: () => Date.now() - 3_600_000 })) => [
      server.apiKey({ keys: { find: (id) => records.get(id) }, audience }),
      server.bearer({ issuer: tokens.issuer, audience, keys }),
      server.hmac({
        keys: { find: (id) => signingKeys.get(id) },
        nonces,
        audience,
      }),
    ],
    async [Symbol.asyncDispose]() {
      keys.close();
      await issuer[Symbol.asyncDispose]();
    },
  };
}
