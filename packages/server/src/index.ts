export { address, ConfigError, logLevel, port, readConfig, text } from "./config.ts";
export type { Health } from "./health.ts";
export { listenError } from "./listen-error.ts";
export { createLog, type Log, type LogDestination, type LogOptions } from "./log.ts";
export { runService } from "./run-service.ts";
export { type ServeOptions, type ServiceEntry, type Serving, serve, service } from "./serve.ts";
