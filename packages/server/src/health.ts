import * as grpc from "@grpc/grpc-js";
import { type Handlers, RpcError } from "@zero-trust/rpc";
import {
  type Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "./gen/health/v1/health_pb.ts";

/** Statuses of services that one `List` answers; the protocol asks for RESOURCE_EXHAUSTED beyond a bound. */
const MAX_LISTED = 100;

/** The health service (gRPC Health Checking Protocol, grpc.health.v1) of one server; "" is the server as a whole. */
export interface HealthServer {
  readonly handlers: Handlers<typeof HealthService>;
  /** Sets whether a service takes calls; watchers hear of a change at once, and of nothing else. */
  set(service: string, serving: boolean): void;
  /** Says NOT_SERVING for everything, for good, and ends the watches after telling them. */
  shutdown(): void;
}

/** Creates a health service on which the server as a whole is NOT_SERVING until it is set. */
export function createHealth(): HealthServer {
  const statuses = new Map<string, Status>([["", Status.NOT_SERVING]]);
  const waiting = new Set<() => void>();
  let closed = false;

  function notify(): void {
    for (const wake of waiting) wake();
  }

  /** A promise of its own for every wait: one that all share would keep what waits on it until it is resolved. */
  async function change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    waiting.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", wake);
      waiting.delete(wake);
    }
  }

  async function* watch(service: string, signal: AbortSignal): AsyncGenerator<{ status: Status }> {
    let told: Status | undefined;
    while (!signal.aborted) {
      const status = statuses.get(service) ?? Status.SERVICE_UNKNOWN;
      if (status !== told) {
        told = status;
        yield { status };
        continue;
      }
      if (closed) return;
      await change(signal);
    }
  }

  return {
    set(service, serving) {
      const status = serving ? Status.SERVING : Status.NOT_SERVING;
      if (closed || statuses.get(service) === status) return;
      statuses.set(service, status);
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
