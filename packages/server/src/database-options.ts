import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import { clientTlsOptions, type TlsIdentity } from "@zero-trust/mtls";
import type { DatabasePlace } from "./database-variables.ts";

/** Where a database is, in the words of `openDatabase` of `@zero-trust/database`. */
export type OpenedPlace =
  | { readonly file: string }
  | {
      readonly postgres: {
        readonly host: string;
        readonly port: number;
        readonly database: string;
        readonly user: string;
        readonly password: () => Promise<string>;
        readonly tls: () => ConnectionOptions;
      };
    };

/**
 * How a service reaches its database: a PostgreSQL server over mutual TLS alone, as the trust domain's workload `postgres`, with
 * the certificate and the password file as they are when a connection is made.
 *
 * @throws {TypeError} when the trust domain is none
 * @example
 * ```ts
 * import { identityFromDirectory } from "@zero-trust/mtls";
 * import { type DatabasePlace, databaseOptions } from "@zero-trust/server";
 *
 * export function options(place: DatabasePlace) {
 *   const identity = identityFromDirectory("/run/secrets/tls");
 *   return databaseOptions(place, { identity, trustDomain: "production.internal" });
 * }
 * ```
 */
export function databaseOptions(
  place: DatabasePlace,
  by: { readonly identity: TlsIdentity; readonly trustDomain: string },
): OpenedPlace {
  if ("file" in place) return { file: place.file };
  const { host, port, database, user, passwordFile } = place;
  const { identity, trustDomain } = by;
  return {
    postgres: {
      host,
      port,
      database,
      user,
      password: async () => (await readFile(passwordFile, "utf8")).replace(/\r?\n$/u, ""),
      tls: () => clientTlsOptions({ identity, serverId: `spiffe://${trustDomain}/postgres` }),
    },
  };
}
