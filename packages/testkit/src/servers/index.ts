export { type PostgresServer, type PostgresServerOptions, startPostgres } from "./postgres.ts";
export type { ServerTls } from "./server-folder.ts";
export { imageFor } from "./server-place.ts";
export { findValkey, startValkey, type ValkeyServer, type ValkeyServerOptions } from "./valkey.ts";
