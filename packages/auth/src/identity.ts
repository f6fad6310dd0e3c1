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

/** Lets a class give private names to an object that is there already. */
class There {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: what it is for
    return object;
  }
}

/**
 * The metadata object itself, which is the same from the interceptor to the handler, under a name that nothing a caller can send, and no code
 * but this, can say. A `WeakMap` would do as well, but the collector looks through it each time that it looks at what is young.
 */
class Identified extends There {
  #identity: Identity;

  constructor(metadata: Metadata, identity: Identity) {
    super(metadata);
    this.#identity = identity;
  }

  static of(metadata: object): Identity | undefined {
    return #identity in metadata ? metadata.#identity : undefined;
  }

  static change(metadata: object, identity: Identity): boolean {
    if (!(#identity in metadata)) return false;
    metadata.#identity = identity;
    return true;
  }
}

/** Remembers the identity of the call that this metadata belongs to. */
export function setIdentity(metadata: Metadata, identity: Identity): void {
  if (!Identified.change(metadata, identity)) new Identified(metadata, identity);
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
  const identity = Identified.of(metadata);
  if (identity === undefined) {
    throw new Error("This call has no identity: put protect() among the interceptors of the server.");
  }
  return identity;
}
