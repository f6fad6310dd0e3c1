import { Credential, definePolicy, type Rule, type ServicePolicy } from "@zero-trust/auth";
import { parseApiKeys } from "@zero-trust/auth/issue";
import {
  apiKey,
  bearer,
  hmac,
  jwks,
  memoryNonceStore,
  type ProtectOptions,
  parseGrants,
  signingSecret,
  tokenRevocations,
} from "@zero-trust/auth/server";
import { httpsAgent, identityFromMemory } from "@zero-trust/mtls";
import { PingService } from "@zero-trust/testkit";
import { audience, callerId, client, issuerName, scope, trustDomain } from "../material.ts";
import type { Asked, Given } from "./given.ts";

/** What both of our servers are protected by, as the services of this repository put it together. */
export interface Verifiers {
  readonly protect: Omit<ProtectOptions, "policies" | "onDecision">;
  readonly policy: ServicePolicy;
  /** Resolves when every call can be checked: keys are there, and the nonce store vouches for every timestamp. */
  readonly ready: () => Promise<void>;
}

/** One workload makes all calls here, which its limits would not let it: they are counted all the same. */
const unreached = { perSecond: 1_000_000, burst: 1_000_000 };

export function verifiers({ material, asks }: Given): Verifiers {
  const { tls, issuerAddress, signingKeys } = material;
  const agent = httpsAgent({ identity: identityFromMemory(tls), serverId: `spiffe://${trustDomain}/issuer` });
  const published = (name: string) => new URL(`https://${issuerAddress}/.well-known/${name}.json`);
  const keys = jwks({ url: published("jwks"), agent });
  const revocations = tokenRevocations({ url: published("revoked-tokens"), agent });
  const nonces = memoryNonceStore();
  const signing = new Map(
    signingKeys.map(({ id, secret }) => [
      id,
      { id, client, audience, scopes: new Set([scope]), secret: signingSecret(secret) },
    ]),
  );
  const { id, sha256 } = material.apiKey;
  const apiKeys = parseApiKeys({ keys: [{ id, client, audience, scopes: [scope], secrets: [{ sha256 }] }] });
  const grants = parseGrants({ grants: [{ spiffeId: callerId, client, scopes: [scope] }] });
  const isReady = () => keys.isReady() && revocations.isReady() && nonces.isReady();
  return {
    protect: {
      trustDomain,
      grants: { current: () => grants },
      credentials: [
        apiKey({ keys: { find: (wanted) => apiKeys.get(wanted) }, audience }),
        bearer({ issuer: issuerName, audience, keys, revocations }),
        hmac({ keys: { find: (wanted) => signing.get(wanted) }, nonces, audience }),
      ],
      limits: { peer: unreached, client: unreached },
    },
    policy: policyOf(asks),
    async ready() {
      while (!isReady()) await new Promise((resolve) => setTimeout(resolve, 100));
    },
  };
}

/** A signature covers one request, so methods that stream theirs are not asked for one. */
function policyOf(asks: readonly Asked[]): ServicePolicy {
  const rules = (names: readonly Asked[]): readonly Rule[] => [
    { credentials: names.map((name) => Credential[name]), scopes: [scope] },
  ];
  const all = rules(asks);
  const streamed = rules(asks.includes("HMAC") ? ["MTLS", ...asks.filter((name) => name === "BEARER")] : asks);
  return definePolicy(PingService, { ping: all, pingMany: all, pingSum: streamed, pingEach: streamed });
}
