import { policyOf } from "@zero-trust/auth";
import { nameOf } from "@zero-trust/auth/explain";
import { declaredScopes } from "./declared.ts";
import type { Holders } from "./holders.ts";
import { services } from "./services.ts";
import { waysIn } from "./ways-in.ts";

/** Who may call what, and who can: what `pnpm zt policy` prints, and its JSON. */
export interface Matrix {
  readonly scopes: Readonly<Record<string, string>>;
  readonly services: readonly ServiceMatrix[];
}

export interface ServiceMatrix {
  /** `payment.v1.PaymentService` */
  readonly service: string;
  readonly methods: readonly {
    readonly method: string;
    readonly hasSideEffects: boolean;
    readonly rules: readonly {
      readonly credentials: readonly string[];
      readonly scopes: readonly string[];
      /** Who can call the method by this rule today. */
      readonly callers: readonly Caller[];
    }[];
  }[];
  readonly holders: readonly {
    readonly client: string;
    readonly credential: string;
    readonly id?: string;
    readonly scopes: readonly string[];
    readonly workloads?: readonly string[];
    readonly ended?: string;
  }[];
}

interface Caller {
  readonly client: string;
  /** Its SPIFFE ID, where that is known. */
  readonly workload?: string;
  /** The ids of the keys that it calls with. */
  readonly keys: readonly string[];
}

/** The policies of all services, and who meets them. */
export function matrixOf(holders: Holders): Matrix {
  return {
    scopes: declaredScopes(),
    services: services.map((service) => ({
      service: service.descriptor.typeName,
      methods: policyOf(service.descriptor).map((method) => ({
        method: method.path.split("/")[2] ?? "",
        hasSideEffects: method.hasSideEffects,
        rules: method.rules.map((rule) => ({
          credentials: rule.credentials.map((credential) => nameOf(credential) ?? "?"),
          scopes: rule.scopes,
          callers: waysIn(method, rule, service, holders).map(
            ({ client, peer, holdings }): Caller => ({
              client,
              ...(peer === undefined ? {} : { workload: peer }),
              keys: holdings.flatMap(({ id }) => (id === undefined ? [] : [id])),
            }),
          ),
        })),
      })),
      holders: [
        ...[...holders.grants[service.name]].map(([spiffeId, { client, scopes }]) => ({
          client,
          credential: "MTLS",
          scopes: [...scopes],
          workloads: [spiffeId],
        })),
        ...holders.holdings
          .filter(({ audience }) => audience === service.audience)
          .map(({ client, credential, id, scopes, workloads, ended }) => ({
            client,
            credential: nameOf(credential) ?? "?",
            ...(id === undefined ? {} : { id }),
            scopes: [...scopes],
            ...(workloads === undefined ? {} : { workloads: [...workloads] }),
            ...(ended === undefined ? {} : { ended }),
          })),
      ].sort((one, other) => (one.client < other.client ? -1 : one.client > other.client ? 1 : 0)),
    })),
  };
}
