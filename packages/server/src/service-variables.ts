import type { z } from "zod";
import { type ApiKeysPlace, apiKeysPlace, apiKeysVariables } from "./api-keys.ts";
import { address, httpsOrigin, port, text, trustDomain } from "./config.ts";
import { type DatabasePlace, databasePlace, databaseVariables } from "./database-variables.ts";
import { limitsOf, limitVariables } from "./limit-variables.ts";
import { type TelemetryConfig, telemetryConfig, telemetryVariables } from "./telemetry/telemetry-variables.ts";
import { type ValkeyPlace, valkeyPlace, valkeyVariables } from "./valkey.ts";

/** What every service needs to know from its environment. */
export interface ServiceConfig {
  readonly host: string;
  readonly port: number;
  /** Directory with `tls.crt`, `tls.key` and `ca.crt`. */
  readonly tlsDirectory: string;
  readonly trustDomain: string;
  /** The issuer identifier (RFC 8414, section 2): who tokens have to say they are from. */
  readonly issuer: string;
  readonly database: DatabasePlace;
  /** What all processes of the service share; each is by itself unless given. */
  readonly valkey: ValkeyPlace | undefined;
  /** Where metrics and traces go; nowhere unless given. */
  readonly telemetry: TelemetryConfig;
}

/** What a service needs besides whose methods have policies. */
export interface ProtectedServiceConfig extends ServiceConfig {
  readonly grantsFile: string;
  readonly apiKeys: ApiKeysPlace;
  /** Where it is noted when each API key was last used; nowhere unless given. */
  readonly apiKeyUsesFile: string | undefined;
  /**
   * Where every decision is appended, besides the log; nowhere unless given. While it cannot be written, no call is let in; without it, none
   * while standard output takes no lines.
   */
  readonly decisionsFile: string | undefined;
  /** How many calls a caller may make. */
  readonly limits: ReturnType<typeof limitsOf>;
  /** Where to reach the issuer, `host:port`. */
  readonly issuerAddress: string;
}

/** The variables of every service; for a schema of `readConfig`, whose `transform` gives them to `serviceConfig`. */
export const serviceVariables: {
  readonly ZT_HOST: z.ZodDefault<typeof text>;
  readonly ZT_PORT: typeof port;
  readonly ZT_TLS_DIR: typeof text;
  readonly ZT_TRUST_DOMAIN: z.ZodDefault<typeof trustDomain>;
  readonly ZT_ISSUER: z.ZodDefault<typeof httpsOrigin>;
} & typeof databaseVariables &
  typeof valkeyVariables &
  typeof telemetryVariables = {
  ZT_HOST: text.default("127.0.0.1"),
  ZT_PORT: port,
  ZT_TLS_DIR: text,
  ZT_TRUST_DOMAIN: trustDomain.default("production.internal"),
  ZT_ISSUER: httpsOrigin.default("https://issuer.production.internal"),
  ...databaseVariables,
  ...valkeyVariables,
  ...telemetryVariables,
};

/** Those of a service whose methods have policies, which its `transform` gives to `protectedServiceConfig`. */
export const protectedServiceVariables: {
  readonly ZT_GRANTS_FILE: typeof text;
  readonly ZT_API_KEY_USES_FILE: z.ZodOptional<typeof text>;
  readonly ZT_DECISIONS_FILE: z.ZodOptional<typeof text>;
  readonly ZT_ISSUER_ADDRESS: typeof address;
} & typeof serviceVariables &
  typeof apiKeysVariables &
  typeof limitVariables = {
  ...serviceVariables,
  ZT_GRANTS_FILE: text,
  ...apiKeysVariables,
  ZT_API_KEY_USES_FILE: text.optional(),
  ZT_DECISIONS_FILE: text.optional(),
  ...limitVariables,
  ZT_ISSUER_ADDRESS: address,
};

/**
 * What the variables of every service say; what is wrong becomes an issue of the one that it is about.
 *
 * @example
 * ```ts
 * import { readConfig, serviceConfig, serviceVariables, text } from "@zero-trust/server";
 * import { z } from "zod";
 *
 * const schema = z.object({ ...serviceVariables, ZT_RATES_FILE: text }).transform((variables, context) => ({
 *   ...serviceConfig(variables, context),
 *   ratesFile: variables.ZT_RATES_FILE,
 * }));
 * export const { port, ratesFile } = readConfig(schema, {
 *   ZT_PORT: "50051",
 *   ZT_TLS_DIR: "/etc/rates/tls",
 *   ZT_DATABASE_FILE: "/var/lib/rates/rates.db",
 *   ZT_RATES_FILE: "/etc/rates/rates.json",
 * });
 * ```
 */
export function serviceConfig(
  variables: z.output<z.ZodObject<typeof serviceVariables>>,
  context: z.RefinementCtx,
): ServiceConfig {
  return {
    host: variables.ZT_HOST,
    port: variables.ZT_PORT,
    tlsDirectory: variables.ZT_TLS_DIR,
    trustDomain: variables.ZT_TRUST_DOMAIN,
    issuer: variables.ZT_ISSUER,
    database: databasePlace(variables, context),
    valkey: valkeyPlace(variables, context),
    telemetry: telemetryConfig(variables),
  };
}

/** The same of a service whose methods have policies. */
export function protectedServiceConfig(
  variables: z.output<z.ZodObject<typeof protectedServiceVariables>>,
  context: z.RefinementCtx,
): ProtectedServiceConfig {
  return {
    ...serviceConfig(variables, context),
    grantsFile: variables.ZT_GRANTS_FILE,
    apiKeys: apiKeysPlace(variables, context),
    apiKeyUsesFile: variables.ZT_API_KEY_USES_FILE,
    decisionsFile: variables.ZT_DECISIONS_FILE,
    limits: limitsOf(variables),
    issuerAddress: variables.ZT_ISSUER_ADDRESS,
  };
}
