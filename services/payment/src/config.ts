import {
  type ApiKeysPlace,
  address,
  apiKeysPlace,
  apiKeysVariables,
  type DatabasePlace,
  databasePlace,
  databaseVariables,
  httpsOrigin,
  limitsOf,
  limitVariables,
  port,
  postgresUrl,
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

/** What the payment service needs to know from its environment. */
export interface PaymentConfig {
  readonly host: string;
  readonly port: number;
  /** Directory with `tls.crt`, `tls.key` and `ca.crt`. */
  readonly tlsDirectory: string;
  readonly trustDomain: string;
  readonly grantsFile: string;
  readonly apiKeys: ApiKeysPlace;
  /** Where it is noted when each API key was last used; nowhere unless given. */
  readonly apiKeyUsesFile: string | undefined;
  /** Where every decision is appended, besides the log; nowhere unless given. While it cannot be written, no call is let in. */
  readonly decisionsFile: string | undefined;
  /** How many calls a caller may make. */
  readonly limits: ReturnType<typeof limitsOf>;
  readonly signingKeysFile: string;
  readonly keyEncryptionKeyFile: string;
  readonly database: DatabasePlace;
  /** Where the simulated acquirer keeps what it did. */
  readonly acquirer: DatabasePlace;
  /** What all processes of the service share; each has nonces of its own unless given. */
  readonly valkey: ValkeyPlace | undefined;
  /** Who has to have issued a token. */
  readonly issuer: string;
  /** Where to reach the issuer, `host:port`. */
  readonly issuerAddress: string;
  /** Where metrics and traces go; nowhere unless given. */
  readonly telemetry: TelemetryConfig;
}

const schema = z
  .object({
    ZT_HOST: text.default("127.0.0.1"),
    ZT_PORT: port,
    ZT_TLS_DIR: text,
    ZT_TRUST_DOMAIN: trustDomain.default("production.internal"),
    ZT_GRANTS_FILE: text,
    ...apiKeysVariables,
    ZT_API_KEY_USES_FILE: text.optional(),
    ZT_DECISIONS_FILE: text.optional(),
    ...limitVariables,
    ZT_SIGNING_KEYS_FILE: text,
    ZT_KEY_ENCRYPTION_KEY_FILE: text,
    ...databaseVariables,
    ZT_ACQUIRER_FILE: text.optional(),
    ZT_ACQUIRER_URL: postgresUrl.optional(),
    ...valkeyVariables,
    ZT_ISSUER: httpsOrigin.default("https://issuer.production.internal"),
    ZT_ISSUER_ADDRESS: address,
    ...telemetryVariables,
  })
  .transform(
    (variables, context): PaymentConfig => ({
      host: variables.ZT_HOST,
      port: variables.ZT_PORT,
      tlsDirectory: variables.ZT_TLS_DIR,
      trustDomain: variables.ZT_TRUST_DOMAIN,
      grantsFile: variables.ZT_GRANTS_FILE,
      apiKeys: apiKeysPlace(variables, context),
      apiKeyUsesFile: variables.ZT_API_KEY_USES_FILE,
      decisionsFile: variables.ZT_DECISIONS_FILE,
      limits: limitsOf(variables),
      signingKeysFile: variables.ZT_SIGNING_KEYS_FILE,
      keyEncryptionKeyFile: variables.ZT_KEY_ENCRYPTION_KEY_FILE,
      database: databasePlace(variables, context),
      acquirer: databasePlace(variables, context, { file: "ZT_ACQUIRER_FILE", url: "ZT_ACQUIRER_URL" }),
      valkey: valkeyPlace(variables, context),
      issuer: variables.ZT_ISSUER,
      issuerAddress: variables.ZT_ISSUER_ADDRESS,
      telemetry: telemetryConfig(variables),
    }),
  );

/** Reads the payment service's configuration; throws ConfigError that names the variable. */
export function readPaymentConfig(environment: NodeJS.ProcessEnv = process.env): PaymentConfig {
  return readConfig(schema, environment);
}
