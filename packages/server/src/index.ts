export { isOpenToOthers } from "@zero-trust/auth/stores/file";
export { type ApiKeysPlace, apiKeysPlace, apiKeysVariables, openApiKeys } from "./api-keys.ts";
export {
  address,
  addresses,
  ConfigError,
  httpsOrigin,
  logLevel,
  port,
  readConfig,
  text,
  trustDomain,
} from "./config.ts";
export { databaseOptions, type OpenedPlace } from "./database-options.ts";
export {
  type DatabasePlace,
  type DatabasePlaceNames,
  databasePlace,
  databaseVariables,
  type PostgresPlace,
  postgresUrl,
} from "./database-variables.ts";
export { identityLog } from "./identity-log.ts";
export { limitsOf, limitVariables } from "./limit-variables.ts";
export { listenError } from "./listen-error.ts";
export {
  createLog,
  decisionLog,
  type Log,
  type LogDestination,
  type LogOptions,
  type RecordKind,
  recordLog,
} from "./log.ts";
export type { ReadinessCheck } from "./readiness.ts";
export { type RunServiceOptions, runService } from "./run-service.ts";
export { type ServeLimits, type ServeOptions, type Serving, serve } from "./serve.ts";
export { type ServiceEntry, service } from "./service.ts";
export {
  type ProtectedServiceConfig,
  protectedServiceConfig,
  protectedServiceVariables,
  type ServiceConfig,
  serviceConfig,
  serviceVariables,
} from "./service-variables.ts";
export { type Metric, type MetricName, metricTable, prometheusName } from "./telemetry/metric-table.ts";
export { type CheckedSource, startTelemetry, type Telemetry, type TelemetryOptions } from "./telemetry/telemetry.ts";
export { type TelemetryConfig, telemetryConfig, telemetryVariables } from "./telemetry/telemetry-variables.ts";
export { type OpenValkey, openValkey, type ValkeyPlace, valkeyPlace, valkeyVariables } from "./valkey.ts";
