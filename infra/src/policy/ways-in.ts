import { Credential, type MethodPolicy, type Rule } from "@zero-trust/auth";
import { type Explanation, explain } from "@zero-trust/auth/explain";
import { clientsOf, findingOf, grantOf, type Holders, type Holding, peersOf, usable } from "./holders.ts";
import type { PolicedService } from "./services.ts";

/** A kind of credential that is presented, which the certificate always is. */
export type Presented = Holding["credential"];

/** A call that a client could make: from where, and with what. */
export interface PossibleCall {
  readonly client: string;
  readonly peer: string | undefined;
  readonly holdings: readonly Holding[];
  readonly explanation: Explanation;
}

/** The calls of clients that a rule by itself lets in today: who can call the method by it. */
export function waysIn(
  method: MethodPolicy,
  rule: Rule,
  service: PolicedService,
  holders: Holders,
): readonly PossibleCall[] {
  const kinds = rule.credentials.filter(isPresented);
  const calls = clientsOf(holders).flatMap((client) =>
    possibleCalls({ ...method, rules: [rule] }, { client, kinds, service, holders }),
  );
  const letIn = calls.filter(({ explanation }) => explanation.decision.outcome === "allowed");
  const seen = new Set<string>();
  return letIn.filter(({ client, holdings, peer }) => {
    // From where is worth a line of its own only where it makes a difference.
    const bound =
      rule.credentials.includes(Credential.MTLS) || holdings.some(({ workloads }) => workloads !== undefined);
    const key = JSON.stringify([client, holdings.map(({ id }) => id), bound ? peer : ""]);
    return !seen.has(key) && seen.add(key);
  });
}

/** Every call of a client with these kinds of credentials, as far as it has them, from each of its workloads. */
export function possibleCalls(
  method: MethodPolicy,
  options: {
    readonly client: string;
    readonly kinds: readonly Presented[];
    readonly service: PolicedService;
    readonly holders: Holders;
  },
): readonly PossibleCall[] {
  const { client, kinds, service, holders } = options;
  return peersOf(client, holders).flatMap((peer) => {
    const held = usable(client, { peer, service, holders });
    const choices = kinds.map((kind) => best(held.filter(({ credential }) => credential === kind)));
    return combinations(choices.filter((choice) => choice.length > 0)).map((holdings): PossibleCall => {
      const presented = new Map(holdings.map((each) => [each.credential, findingOf(each)]));
      const grant = grantOf(peer, service, holders);
      return { client, peer, holdings, explanation: explain({ method, spiffeId: peer, grant, presented }) };
    });
  });
}

/** Of several credentials of a kind, those that are good; where none is, what the client would be tempted to present. */
function best(held: readonly Holding[]): readonly Holding[] {
  const good = held.filter(({ ended }) => ended === undefined);
  return good.length > 0 ? good : held;
}

function combinations<T>(choices: readonly (readonly T[])[]): readonly (readonly T[])[] {
  return choices.reduce<readonly (readonly T[])[]>(
    (soFar, choice) => soFar.flatMap((chosen) => choice.map((each) => [...chosen, each])),
    [[]],
  );
}

function isPresented(credential: Credential): credential is Presented {
  return credential === Credential.API_KEY || credential === Credential.BEARER || credential === Credential.HMAC;
}
