/** Whether a workload is one of ours, and not a store. */
export function isService(name: string): boolean {
  return ["issuer", "payment-service", "order-service"].includes(name);
}
