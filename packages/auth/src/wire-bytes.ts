import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";

type Deserialize = MethodDefinition<unknown, unknown>["requestDeserialize"];

const decoders = new WeakMap<Deserialize, Deserialize>();

/**
 * Makes the requests of a service verifiable by signature, whatever generated its definition: messages stay the bytes
 * that were on the wire until `protect()` has let the call in, and are decoded by the service's own code then.
 *
 * Encoding a decoded message again would not do: unknown fields move, and maps have no order.
 *
 * @param definition - the service definition that goes to `server.addService()`
 * @returns the definition to register instead; it needs `protect()` among the server's interceptors
 * @example
 * ```ts
 * import type { Server, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
 * import { wireBytes } from "@zero-trust/auth/server";
 *
 * function add(server: Server, definition: ServiceDefinition, handlers: UntypedServiceImplementation): void {
 *   server.addService(wireBytes(definition), handlers);
 * }
 * ```
 */
export function wireBytes<T = UntypedServiceImplementation>(definition: ServiceDefinition<T>): ServiceDefinition<T> {
  const entries = Object.entries<MethodDefinition<unknown, unknown>>(definition).map(([name, method]) => {
    const keep: Deserialize = (bytes) => bytes;
    decoders.set(keep, method.requestDeserialize);
    return [name, { ...method, requestDeserialize: keep }];
  });
  return Object.fromEntries(entries) as ServiceDefinition<T>;
}

/** What `wireBytes` held back: the decoding of a message, to be done once the call is let in. */
export function decoderOf(deserialize: Deserialize): Deserialize | undefined {
  return decoders.get(deserialize);
}
