import {
  type DatabasePlace,
  databasePlace,
  type ProtectedServiceConfig,
  postgresUrl,
  protectedServiceConfig,
  protectedServiceVariables,
  readConfig,
  text,
} from "@zero-trust/server";
import { z } from "zod";

/** What the payment service needs to know from its environment. */
export interface PaymentConfig extends ProtectedServiceConfig {
  readonly signingKeysFile: string;
  readonly keyEncryptionKeyFile: string;
  /** Where the simulated acquirer keeps what it did. */
  readonly acquirer: DatabasePlace;
}

const schema = z
  .object({
    ...protectedServiceVariables,
    ZT_SIGNING_KEYS_FILE: text,
    ZT_KEY_ENCRYPTION_KEY_FILE: text,
    ZT_ACQUIRER_FILE: text.optional(),
    ZT_ACQUIRER_URL: postgresUrl.optional(),
  })
  .transform(
    (variables, context): PaymentConfig => ({
      ...protectedServiceConfig(variables, context),
      signingKeysFile: variables.ZT_SIGNING_KEYS_FILE,
      keyEncryptionKeyFile: variables.ZT_KEY_ENCRYPTION_KEY_FILE,
      acquirer: databasePlace(variables, context, { file: "ZT_ACQUIRER_FILE", url: "ZT_ACQUIRER_URL" }),
    }),
  );

/** Reads the payment service's configuration; throws ConfigError that names the variable. */
export function readPaymentConfig(environment: NodeJS.ProcessEnv = process.env): PaymentConfig {
  return readConfig(schema, environment);
}
