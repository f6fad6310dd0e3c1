import type { Workload } from "./names.ts";

/** Who opens a connection: a workload, whoever calls from outside of the fleet, or what watches it. */
export type NetworkCaller = Workload | "callers" | "prometheus";
/** To whom. */
export type NetworkServer = Workload | "collector";

/** A connection that the fleet needs. */
export interface NetworkArrow {
  readonly from: NetworkCaller;
  readonly to: NetworkServer;
  readonly port: number;
}

const servicePort = 50_051;
const metricsPort = 9_464;
const services = ["issuer", "payment-service", "order-service"] as const;

/** The connections of the architecture: infra/compose and infra/k8s open these, and no others. */
export const networkArrows: readonly NetworkArrow[] = [
  { from: "callers", to: "issuer", port: servicePort },
  { from: "callers", to: "order-service", port: servicePort },
  { from: "order-service", to: "issuer", port: servicePort },
  { from: "order-service", to: "payment-service", port: servicePort },
  { from: "payment-service", to: "issuer", port: servicePort },
  ...services.map((from) => ({ from, to: "postgres", port: 5_432 }) as const),
  ...services.map((from) => ({ from, to: "valkey", port: 6_379 }) as const),
  ...services.map((to) => ({ from: "prometheus", to, port: metricsPort }) as const),
];

/** Those that there are besides where traces are collected. */
export const traceArrows: readonly NetworkArrow[] = services.map((from) => ({ from, to: "collector", port: 4_318 }));
