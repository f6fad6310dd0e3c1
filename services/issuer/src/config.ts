import {
  type DatabasePlace,
  databasePlace,
  databaseVariables,
  httpsOrigin,
  port,
  readConfig,
  type TelemetryConfig,
  telemetryConfig,
  telemetryVariables,
  text,
  trustDomain,
  type ValkeyPlace,
  valkeyPlace,
  valkeyVariables,
} from "@zero-trust/server";
import { z } from "zod";
import { DEFAULT_KEY_LEAD_MS } from "./key-ring.ts";

/** What the issuer needs to know from its environment. */
export interface IssuerConfig {
  readonly host: string;
  readonly port: number;
  /** Directory with `tls.crt`, `tls.key` and `ca.crt`. */
  readonly tlsDirectory: string;
  readonly trustDomain: string;
  /** The issuer identifier (RFC 8414, section 2): who the tokens say they are from. */
  readonly issuer: string;
  readonly clientsFile: string;
  readonly signingJwksFile: string;
  /** How long a signing key is published before it signs. */
  readonly keyLeadMs: number;
  /** What the operator revokes; nothing unless there is one. */
  readonly revocationsFile: string | undefined;
  /** Where those who verify learn at once what is revoked; they poll the list alone unless given. */
  readonly valkey: ValkeyPlace | undefined;
  /** Where metrics and traces go; nowhere unless given. */
  readonly telemetry: TelemetryConfig;
  readonly database: DatabasePlace;
}

/** A day: whoever waits longer for a key has mistyped. */
const MAX_LEAD_SECONDS = 86_400;
const leadMessage = `must be a whole number of seconds, ${MAX_LEAD_SECONDS} at most`;

const leadSeconds = z
  .string(leadMessage)
  .regex(/^(?:0|[1-9][0-9]{0,4})$/u, leadMessage)
  .transform(Number)
  .refine((seconds) => seconds <= MAX_LEAD_SECONDS, leadMessage);

const schema = z
  .object({
    ZT_HOST: text.default("127.0.0.1"),
    ZT_PORT: port,
    ZT_TLS_DIR: text,
    ZT_TRUST_DOMAIN: trustDomain.default("production.internal"),
    ZT_ISSUER: httpsOrigin.default("https://issuer.production.internal"),
    ZT_CLIENTS_FILE: text,
    ZT_SIGNING_JWKS_FILE: text,
    ZT_SIGNING_KEY_LEAD_SECONDS: leadSeconds.default(DEFAULT_KEY_LEAD_MS / 1000),
    ZT_REVOCATIONS_FILE: text.optional(),
    ...valkeyVariables,
    ...telemetryVariables,
    ...databaseVariables,
  })
  .transform(
    (variables, context): IssuerConfig => ({
      host: variables.ZT_HOST,
      port: variables.ZT_PORT,
      tlsDirectory: variables.ZT_TLS_DIR,
      trustDomain: variables.ZT_TRUST_DOMAIN,
      issuer: variables.ZT_ISSUER,
      clientsFile: variables.ZT_CLIENTS_FILE,
      signingJwksFile: variables.ZT_SIGNING_JWKS_FILE,
      keyLeadMs: variables.ZT_SIGNING_KEY_LEAD_SECONDS * 1000,
      revocationsFile: variables.ZT_REVOCATIONS_FILE,
      valkey: valkeyPlace(variables, context),
      telemetry: telemetryConfig(variables),
      database: databasePlace(variables, context),
    }),
  );

/** Reads the issuer's configuration; throws ConfigError that names the variable. */
export function readIssuerConfig(environment: NodeJS.ProcessEnv = process.env): IssuerConfig {
  return readConfig(schema, environment);
}
