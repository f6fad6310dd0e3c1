import { readConfig, type ServiceConfig, serviceConfig, serviceVariables, text } from "@zero-trust/server";
import { z } from "zod";
import { DEFAULT_KEY_LEAD_MS } from "./key-ring.ts";

/** What the issuer needs to know from its environment. */
export interface IssuerConfig extends ServiceConfig {
  readonly clientsFile: string;
  readonly signingJwksFile: string;
  /** How long a signing key is published before it signs. */
  readonly keyLeadMs: number;
  /** What the operator revokes; nothing unless there is one. */
  readonly revocationsFile: string | undefined;
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
    ...serviceVariables,
    ZT_CLIENTS_FILE: text,
    ZT_SIGNING_JWKS_FILE: text,
    ZT_SIGNING_KEY_LEAD_SECONDS: leadSeconds.default(DEFAULT_KEY_LEAD_MS / 1000),
    ZT_REVOCATIONS_FILE: text.optional(),
  })
  .transform(
    (variables, context): IssuerConfig => ({
      ...serviceConfig(variables, context),
      clientsFile: variables.ZT_CLIENTS_FILE,
      signingJwksFile: variables.ZT_SIGNING_JWKS_FILE,
      keyLeadMs: variables.ZT_SIGNING_KEY_LEAD_SECONDS * 1000,
      revocationsFile: variables.ZT_REVOCATIONS_FILE,
    }),
  );

/** Reads the issuer's configuration; throws ConfigError that names the variable. */
export function readIssuerConfig(environment: NodeJS.ProcessEnv = process.env): IssuerConfig {
  return readConfig(schema, environment);
}
