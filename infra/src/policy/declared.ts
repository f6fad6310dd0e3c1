import { readFileSync } from "node:fs";
import { Credential } from "@zero-trust/auth";
import { parseGrants } from "@zero-trust/auth/server";
import type { ClientEntry } from "../keys/client-entry.ts";
import type { Holders, Holding } from "./holders.ts";

/** Who shall have an API key or a signing key. */
interface KeyHolder {
  readonly client: string;
  readonly audience: string;
  readonly scopes: readonly string[];
}

/** The holders of `infra/grants/holders.json`: who shall have which credential, without a secret. */
export interface DeclaredHolders {
  readonly apiKeys: readonly KeyHolder[];
  readonly signingKeys: readonly KeyHolder[];
  readonly clients: readonly Pick<ClientEntry, "clientId" | "spiffeId" | "authentication" | "audiences">[];
}

/** Who shall have which credential in every deployment that is set up from here. */
export function declaredHolders(): DeclaredHolders {
  return read("holders") as DeclaredHolders;
}

/** What each scope is for: the one list of those that there are. */
export function declaredScopes(): Readonly<Record<string, string>> {
  return (read("scopes") as { readonly scopes: Readonly<Record<string, string>> }).scopes;
}

/** The declared state: who holds what, as far as this repository says. */
export function declaredState(): Holders {
  const { apiKeys, signingKeys, clients } = declaredHolders();
  const keys = (holders: readonly KeyHolder[], credential: typeof Credential.API_KEY | typeof Credential.HMAC) =>
    holders.map(({ scopes, ...holder }) => ({ ...holder, credential, scopes: new Set(scopes) }));
  return {
    grants: { order: parseGrants(read("order")), payment: parseGrants(read("payment")) },
    holdings: [
      ...keys(apiKeys, Credential.API_KEY),
      ...keys(signingKeys, Credential.HMAC),
      ...clients.flatMap((client) => tokensOf(client)),
    ],
  };
}

/** The tokens that a client of the issuer can get, one kind an audience, each bound to its workload. */
export function tokensOf({ clientId, spiffeId, audiences }: DeclaredHolders["clients"][number]): readonly Holding[] {
  return Object.entries(audiences).map(([audience, scopes]) => ({
    client: clientId,
    credential: Credential.BEARER,
    audience,
    scopes: new Set(scopes),
    workloads: new Set([spiffeId]),
  }));
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../grants/${name}.json`, import.meta.url), "utf8"));
}
