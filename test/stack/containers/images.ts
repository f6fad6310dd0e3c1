import type { ServiceName } from "../stack.ts";

/** The variable that names another image of a service than the one that is built here: `ZT_ISSUER_IMAGE` and so on. */
export function variableOf(service: ServiceName): string {
  return `ZT_${service.toUpperCase()}_IMAGE`;
}

/** The image of a service. */
export function imageOf(service: ServiceName, environment: NodeJS.ProcessEnv = process.env): string {
  return environment[variableOf(service)] ?? `zero-trust/${service}:local`;
}
