import {
  addresses,
  type ProtectedServiceConfig,
  protectedServiceConfig,
  protectedServiceVariables,
  readConfig,
  text,
} from "@zero-trust/server";
import { z } from "zod";

/** What the order service needs to know from its environment. */
export interface OrderConfig extends ProtectedServiceConfig {
  /** Where to reach the payment service, `host:port`; several are its replicas, as are the addresses of one name. */
  readonly paymentAddress: readonly string[];
  /** The id of the key that requests to the payment service are signed with, where its file has the secret alone. */
  readonly signingKeyId: string | undefined;
  /** The key itself: id and secret as JSON, which is followed, or the secret alone. */
  readonly signingSecretFile: string;
}

const schema = z
  .object({
    ...protectedServiceVariables,
    ZT_PAYMENT_ADDRESS: addresses,
    ZT_SIGNING_KEY_ID: text.optional(),
    ZT_SIGNING_SECRET_FILE: text,
  })
  .transform(
    (variables, context): OrderConfig => ({
      ...protectedServiceConfig(variables, context),
      paymentAddress: variables.ZT_PAYMENT_ADDRESS,
      signingKeyId: variables.ZT_SIGNING_KEY_ID,
      signingSecretFile: variables.ZT_SIGNING_SECRET_FILE,
    }),
  );

/** Reads the order service's configuration; throws ConfigError that names the variable. */
export function readOrderConfig(environment: NodeJS.ProcessEnv = process.env): OrderConfig {
  return readConfig(schema, environment);
}
