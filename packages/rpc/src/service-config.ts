import type { DescService } from "@bufbuild/protobuf";
import { type OutlierDetection, roundRobin } from "./load-balancing.ts";
import { isRepeatable } from "./repeatable.ts";
import { retryThrottling } from "./retry-budget.ts";

/** What `serviceConfig` can be told. */
export interface ServiceConfigOptions {
  /** How often a call is tried, the first time included, 2 to 5; 3 if not given. */
  readonly maxAttempts?: number;
  /**
   * Which of the addresses behind the target get the calls: `round_robin` all of them in turn, but those that fail
   * (`outlierDetection`); the first that answers if not given.
   */
  readonly loadBalancing?: "round_robin";
  /** When an address gets no calls for a while; for `round_robin` alone. */
  readonly outlierDetection?: OutlierDetection;
}

/** One attempt more than a restart behind a load balancer costs; with each further one a struggling service gets more. */
const defaultMaxAttempts = 3;
/** gRPC takes no more (gRFC A6). */
const mostAttempts = 5;
/** Longer than a connection takes to be made anew in a data centre, short enough not to be noticed; ±20 % by gRPC. */
const initialBackoffSeconds = 0.1;
/** Callers wait some seconds at most: what is not back by then should be told to them. */
const maxBackoffSeconds = 1;
const backoffMultiplier = 2;

/**
 * Makes the service config (gRFC A6) of a channel from what the .proto files say of each method: calls of methods with
 * `idempotency_level` NO_SIDE_EFFECTS or IDEMPOTENT are tried again after UNAVAILABLE, and after nothing else; others
 * never, since they may have been carried out. All attempts share the call's deadline; a stream is tried again only
 * before its first response. An attempt gets its own credentials where the channel makes them (call credentials). What
 * is spent on further attempts is bounded; grpc-js counts it for all channels of a process to one target together.
 *
 * The value is for the channel option `grpc.service_config`. Throws a TypeError for a number of attempts that is none,
 * and for what cannot be told of an outlier.
 *
 * @example
 * ```ts
 * import { Channel, type ChannelCredentials } from "@grpc/grpc-js";
 * import { serviceConfig } from "@zero-trust/rpc";
 * import { PingService } from "@zero-trust/testkit";
 *
 * export function pingChannel(target: string, credentials: ChannelCredentials): Channel {
 *   const config = serviceConfig([PingService], { loadBalancing: "round_robin" });
 *   return new Channel(target, credentials, { "grpc.service_config": config });
 * }
 * ```
 */
export function serviceConfig(services: readonly DescService[], options: ServiceConfigOptions = {}): string {
  const { maxAttempts = defaultMaxAttempts, loadBalancing, outlierDetection } = options;
  if (!Number.isInteger(maxAttempts) || maxAttempts < 2 || maxAttempts > mostAttempts) {
    throw new TypeError(`maxAttempts must be an integer from 2 to ${mostAttempts}.`);
  }
  if (loadBalancing === undefined && outlierDetection !== undefined) {
    throw new TypeError("outlierDetection needs loadBalancing: where one address gets all calls, none can stand out.");
  }
  const repeatable = services.flatMap((service) => service.methods).filter(isRepeatable);
  const name = repeatable.map((method) => ({ service: method.parent.typeName, method: method.name }));
  const retryPolicy = {
    maxAttempts,
    initialBackoff: `${initialBackoffSeconds}s`,
    maxBackoff: `${maxBackoffSeconds}s`,
    backoffMultiplier,
    // Only what says that nobody could do the work now: a refusal (UNAUTHENTICATED, PERMISSION_DENIED) stays one.
    retryableStatusCodes: ["UNAVAILABLE"],
  };
  return JSON.stringify({
    methodConfig: name.length === 0 ? [] : [{ name, retryPolicy }],
    retryThrottling,
    ...(loadBalancing === undefined ? {} : { loadBalancingConfig: roundRobin(outlierDetection) }),
  });
}
