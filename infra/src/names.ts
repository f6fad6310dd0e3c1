/** The names of the deployment that `demo`, `dev` and the end-to-end tests set up. */
export const trustDomain = "production.internal";

export const issuer = "https://issuer.production.internal";

export const audiences = {
  order: "https://order.production.internal",
  payment: "https://payment.production.internal",
} as const;

/** The workloads, each with a certificate of its own. */
export const workloads = [
  "issuer",
  "order-service",
  "payment-service",
  "storefront",
  "reporting",
  "partner",
  "postgres",
  "valkey",
  // Of the trust domain, and nobody's client: for showing what that gets one.
  "stranger",
] as const;

export type Workload = (typeof workloads)[number];

export function spiffeIdOf(workload: Workload): string {
  return `spiffe://${trustDomain}/${workload}`;
}
