import type { Metadata } from "@grpc/grpc-js";

/** Who is calling, as `protect()` found out. */
export interface Identity {
  /** The client id: of the grants file, of the token's `client_id`, or of the key; they agree where several were shown. */
  readonly client: string;
  /** The SPIFFE ID of the workload at the other end of the connection. */
  readonly spiffeId: string;
  /** The scopes of the rule that let the call in. */
  readonly scopes: readonly string[];
}

/** By the metadata object itself, which is the same from the interceptor to the handler: nothing that a caller can send is one. */
const identities = new WeakMap<Metadata, Identity>();

/** Remembers the identity of the call that this metadata belongs to. */
export function setIdentity(metadata: Metadata, identity: Identity): void {
  identities.set(metadata, identity);
}

/**
 * Tells a handler who is calling.
 *
 * @param metadata - the call's own metadata object (`call.metadata`, or `context.metadata` of a handler), not a copy
 * @throws Error when the call did not pass `protect()`, so that a service that forgot it fails closed
 * @example
 * ```ts
 * import type { ServerUnaryCall } from "@grpc/grpc-js";
 * import { identityOf } from "@zero-trust/auth";
 *
 * function whoAmI(call: ServerUnaryCall<unknown, unknown>): string {
 *   return identityOf(call.metadata).client;
 * }
 * ```
 */
export function identityOf(metadata: Metadata): Identity {
  const identity = identities.get(metadata);
  if (identity === undefined) {
    throw new Error("This call has no identity: put protect() among the interceptors of the server.");
  }
  return identity;
}
