import type { DescService } from "@bufbuild/protobuf";
import type { Server } from "@grpc/grpc-js";
import { PolicyError, policyOf, type ServicePolicy } from "@zero-trust/auth";
import { addService, type Handlers } from "@zero-trust/rpc";
import type { Log } from "./log.ts";

/** One service of a server: its contract, what it does, and who may call it. */
export interface ServiceEntry {
  readonly descriptor: DescService;
  readonly policy: ServicePolicy;
  addTo(server: Server, log: Log): void;
}

/**
 * Names a service to serve, with its handlers.
 *
 * @param descriptor - what protobuf-es generates
 * @param handlers - one for each method
 * @param options - `policy`: who may call, where the .proto does not say it
 * @throws PolicyError when the policy is that of other methods than the service has
 * @example
 * ```ts
 * import { Credential, definePolicy } from "@zero-trust/auth";
 * import { type ServiceEntry, service } from "@zero-trust/server";
 * import { PingService, pingHandlers } from "@zero-trust/testkit";
 *
 * const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
 * const policy = definePolicy(PingService, { ping: rules, pingMany: rules, pingSum: rules, pingEach: rules });
 *
 * export const ping: ServiceEntry = service(PingService, pingHandlers(), { policy });
 * ```
 */
export function service<S extends DescService>(
  descriptor: S,
  handlers: Handlers<S>,
  options: { readonly policy?: ServicePolicy } = {},
): ServiceEntry {
  const { policy = policyOf(descriptor) } = options;
  checkMethods(descriptor, policy);
  return {
    descriptor,
    policy,
    addTo(server, log) {
      addService(server, descriptor, handlers, {
        onError: (err, { method }) => log.error({ err, method }, "handler failed"),
      });
    },
  };
}

/** A policy is data that may come from anywhere; a method that it forgets would be served to nobody. */
function checkMethods({ typeName, methods }: DescService, policy: ServicePolicy): void {
  const left = new Set(policy.map(({ path }) => path));
  for (const { name } of methods) {
    const path = `/${typeName}/${name}`;
    if (!left.delete(path)) throw new PolicyError(`${path} has no policy: add its rules to the policy that is given.`);
  }
  for (const path of left) throw new PolicyError(`The policy names ${path}, which is no method of ${typeName}.`);
}
