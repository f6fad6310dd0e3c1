import type { z } from "zod";
import { port, text } from "../config.ts";

const collector = text.refine((value) => {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return ["http:", "https:"].includes(protocol) && [username, password, search, hash].every((part) => part === "");
}, "must be the http or https URL of a collector, such as http://127.0.0.1:4318, without a password or query");

/** Where telemetry goes; nowhere unless given. */
export interface TelemetryConfig {
  /** Where `/metrics` is served. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  /** The base URL of the collector that spans are sent to, by OTLP/HTTP. */
  readonly otlpEndpoint: string | undefined;
}

/** The variables of a service's telemetry, for the schema of its `readConfig`; `telemetryConfig` makes of them what `startTelemetry` takes. */
export const telemetryVariables: {
  readonly ZT_METRICS_HOST: z.ZodDefault<z.ZodType<string>>;
  readonly ZT_METRICS_PORT: z.ZodOptional<z.ZodType<number>>;
  readonly ZT_OTLP_ENDPOINT: z.ZodOptional<z.ZodType<string>>;
} = {
  ZT_METRICS_HOST: text.default("127.0.0.1"),
  ZT_METRICS_PORT: port.optional(),
  ZT_OTLP_ENDPOINT: collector.optional(),
};

/** Makes of the variables what `startTelemetry` takes. */
export function telemetryConfig(variables: {
  readonly ZT_METRICS_HOST: string;
  readonly ZT_METRICS_PORT?: number | undefined;
  readonly ZT_OTLP_ENDPOINT?: string | undefined;
}): TelemetryConfig {
  const { ZT_METRICS_HOST: host, ZT_METRICS_PORT: metricsPort, ZT_OTLP_ENDPOINT: otlpEndpoint } = variables;
  return { metrics: metricsPort === undefined ? undefined : { host, port: metricsPort }, otlpEndpoint };
}
