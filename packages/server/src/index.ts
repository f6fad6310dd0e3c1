export { address, ConfigError, logLevel, port, readConfig, text } from "./config.ts";
export { listenError } from "./listen-error.ts";
export { createLog, type Log, type LogDestination, type LogOptions, type RecordKind, recordLog } from "./log.ts";
export { runService } from "./run-service.ts";
export { type ServeOptions, type ServiceEntry, type Serving, serve, service } from "./serve.ts";
