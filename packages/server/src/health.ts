import * as grpc from "@grpc/grpc-js";
import { type Handlers, RpcError } from "@zero-trust/rpc";
import {
  type Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "./gen/health/v1/health_pb.ts";

/** Statuses of services that one `List` answers; the protocol asks for RESOURCE_EXHAUSTED beyond a bound. */
const MAX_LISTED = 100;

/** What the health service says of this server; "" is the server as a whole. */
export interface Health {
  /** Sets whether a service takes calls; watchers hear of a change at once. */
  set(service: string, serving: boolean): void;
}

/** The health service (gRPC Health Checking Protocol, grpc.health.v1) of one server. */
export interface HealthServer extends Health {
  readonly handlers: Handlers<typeof HealthService>;
  /** Says NOT_SERVING for everything, for good, and ends the watches after telling them. */
  shutdown(): void;
}

/** Creates a health service on which the server as a whole is NOT_SERVING until it is set. */
export function createHealth(): HealthServer {
  const statuses = new Map<string, Status>([["", Status.NOT_SERVING]]);
  let changed = Promise.withResolvers<void>();
  let closed = false;

  function notify(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  async function* watch(service: string, signal: AbortSignal): AsyncGenerator<{ status: Status }> {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    let told: Status | undefined;
    while (!signal.aborted) {
      const next = changed.promise;
      const status = statuses.get(service) ?? Status.SERVICE_UNKNOWN;
      if (status !== told) {
        told = status;
        yield { status };
        continue;
      }
      if (closed) return;
      await Promise.race([next, aborted]);
    }
  }

  return {
    set(service, serving) {
      if (closed) return;
      statuses.set(service, serving ? Status.SERVING : Status.NOT_SERVING);
      notify();
    },
    shutdown() {
      for (const service of statuses.keys()) statuses.set(service, Status.NOT_SERVING);
      closed = true;
      notify();
    },
    handlers: {
      check({ service }) {
        const status = statuses.get(service);
        if (status === undefined) throw new RpcError(grpc.status.NOT_FOUND, "The service is not known.");
        return { status };
      },
      list() {
        if (statuses.size > MAX_LISTED)
          throw new RpcError(grpc.status.RESOURCE_EXHAUSTED, "There are too many services to list.");
        return { statuses: Object.fromEntries([...statuses].map(([service, status]) => [service, { status }])) };
      },
      watch: ({ service }, { signal }) => watch(service, signal),
    },
  };
}
