import { Credential, Reason } from "@zero-trust/auth";
import type { Finding, Grant } from "@zero-trust/auth/explain";
import type { Grants } from "@zero-trust/auth/server";
import type { PolicedService } from "./services.ts";

/** A credential that a client has, for one service. */
export interface Holding {
  readonly client: string;
  readonly credential: typeof Credential.API_KEY | typeof Credential.BEARER | typeof Credential.HMAC;
  /** The public id of a key. */
  readonly id?: string;
  readonly audience: string;
  readonly scopes: ReadonlySet<string>;
  /** The SPIFFE IDs that alone can use it; undefined means any workload of the trust domain. */
  readonly workloads?: ReadonlySet<string>;
  /** Why it is no good any more: `revoked`, `expired`. */
  readonly ended?: string;
}

/** Who holds what: declared in this repository, or found in a deployment. */
export interface Holders {
  readonly grants: Readonly<Record<PolicedService["name"], Grants>>;
  readonly holdings: readonly Holding[];
}

/** Every client that is named anywhere. */
export function clientsOf({ grants, holdings }: Holders): readonly string[] {
  const granted = Object.values(grants).flatMap((each) => [...each.values()]);
  return [...new Set([...granted, ...holdings].map(({ client }) => client))].sort();
}

/** Where a client can be at the other end of a connection: its workloads, or undefined for whichever has its key. */
export function peersOf(client: string, { grants, holdings }: Holders): readonly (string | undefined)[] {
  const granted = Object.values(grants).flatMap((each) => [...each]);
  const ids = [
    ...granted.filter(([, grant]) => grant.client === client).map(([spiffeId]) => spiffeId),
    ...holdings.filter((each) => each.client === client).flatMap(({ workloads }) => [...(workloads ?? [])]),
  ];
  return ids.length === 0 ? [undefined] : [...new Set(ids)];
}

/** What the grants of a service give to a peer. */
export function grantOf(peer: string | undefined, service: PolicedService, { grants }: Holders): Grant | undefined {
  return peer === undefined ? undefined : grants[service.name].get(peer);
}

/** What a client can present to a service from a peer, of one kind; what is no good any more when there is nothing else. */
export function usable(
  client: string,
  {
    peer,
    service,
    holders,
  }: { readonly peer: string | undefined; readonly service: PolicedService; readonly holders: Holders },
): readonly Holding[] {
  return holders.holdings.filter(
    (each) =>
      each.client === client &&
      each.audience === service.audience &&
      (each.workloads === undefined || (peer !== undefined && each.workloads.has(peer))),
  );
}

/** What a verifier finds a credential to be. */
export function findingOf({ client, scopes, ended, credential }: Holding): Finding {
  if (ended === undefined) return { verdict: "verified", client, scopes };
  return { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause: `the ${nouns[credential]} is ${ended}` };
}

const nouns: Readonly<Record<Holding["credential"], string>> = {
  [Credential.API_KEY]: "API key",
  [Credential.BEARER]: "client",
  [Credential.HMAC]: "signing key",
};
