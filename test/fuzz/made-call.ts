import { create, type DescMessage, type DescMethod, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Credential } from "@zero-trust/auth";
import type { Workload } from "@zero-trust/infra/names";

/** What a credential is, to those who have to judge it. */
export interface Holding {
  readonly credential: typeof Credential.API_KEY | typeof Credential.BEARER | typeof Credential.HMAC;
  readonly client: string;
  readonly scopes: readonly string[];
  /** The service that it is for. */
  readonly service: ServiceName;
  /** The one workload that may show it; any unless given. */
  readonly workload?: Workload;
  /** The values of its metadata keys. */
  readonly values: Readonly<Record<string, string>>;
}

export type ServiceName = "order" | "payment";

/** A call as it goes over the wire, as somebody. */
export interface WireCall {
  readonly as: Workload;
  readonly service: ServiceName;
  /** `/package.Service/Method` */
  readonly path: string;
  /** Header fields in their order; a name may come twice. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly messages: readonly Uint8Array[];
}

/** A call that is right in every way, and the credentials that it carries. */
export interface MadeCall extends WireCall {
  readonly holdings: readonly Holding[];
}

/** The path of a method. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** The service that has a path. */
export function serviceOfPath(path: string): ServiceName {
  return path.startsWith("/order.") ? "order" : "payment";
}

/** A call of a method with some messages and credentials. */
export function madeCall(
  method: DescMethod,
  as: Workload,
  messages: readonly MessageInitShape<DescMessage>[],
  holdings: readonly Holding[],
): MadeCall {
  const path = pathOf(method);
  return {
    as,
    service: serviceOfPath(path),
    path,
    headers: holdings.flatMap(({ values }) => Object.entries(values)),
    messages: messages.map((init) => toBinary<DescMessage>(method.input, create<DescMessage>(method.input, init))),
    holdings,
  };
}
