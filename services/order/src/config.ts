import {
  type ApiKeysPlace,
  address,
  addresses,
  apiKeysPlace,
  apiKeysVariables,
  type DatabasePlace,
  databasePlace,
  databaseVariables,
  httpsOrigin,
  limitsOf,
  limitVariables,
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

/** What the order service needs to know from its environment. */
export interface OrderConfig {
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
  readonly database: DatabasePlace;
  /** What all processes of the service share; each is by itself unless given. */
  readonly valkey: ValkeyPlace | undefined;
  /** Who has to have issued a token. */
  readonly issuer: string;
  /** Where to reach the issuer, `host:port`. */
  readonly issuerAddress: string;
  /** Where to reach the payment service, `host:port`; several are its replicas, as are the addresses of one name. */
  readonly paymentAddress: readonly string[];
  /** The id of the key that requests to the payment service are signed with, where its file has the secret alone. */
  readonly signingKeyId: string | undefined;
  /** The key itself: id and secret as JSON, which is followed, or the secret alone. */
  readonly signingSecretFile: string;
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
    ...databaseVariables,
    ...valkeyVariables,
    ZT_ISSUER: httpsOrigin.default("https://issuer.production.internal"),
    ZT_ISSUER_ADDRESS: address,
    ZT_PAYMENT_ADDRESS: addresses,
    ZT_SIGNING_KEY_ID: text.optional(),
    ZT_SIGNING_SECRET_FILE: text,
    ...telemetryVariables,
  })
  .transform(
    (variables, context): OrderConfig => ({
      host: variables.ZT_HOST,
      port: variables.ZT_PORT,
      tlsDirectory: variables.ZT_TLS_DIR,
      trustDomain: variables.ZT_TRUST_DOMAIN,
      grantsFile: variables.ZT_GRANTS_FILE,
      apiKeys: apiKeysPlace(variables, context),
      apiKeyUsesFile: variables.ZT_API_KEY_USES_FILE,
      decisionsFile: variables.ZT_DECISIONS_FILE,
      limits: limitsOf(variables),
      database: databasePlace(variables, context),
      valkey: valkeyPlace(variables, context),
      issuer: variables.ZT_ISSUER,
      issuerAddress: variables.ZT_ISSUER_ADDRESS,
      paymentAddress: variables.ZT_PAYMENT_ADDRESS,
      signingKeyId: variables.ZT_SIGNING_KEY_ID,
      signingSecretFile: variables.ZT_SIGNING_SECRET_FILE,
      telemetry: telemetryConfig(variables),
    }),
  );

/** Reads the order service's configuration; throws ConfigError that names the variable. */
export function readOrderConfig(environment: NodeJS.ProcessEnv = process.env): OrderConfig {
  return readConfig(schema, environment);
}
