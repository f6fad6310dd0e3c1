import { isIP } from "node:net";
import { z } from "zod";
import { isSecretName, redactText } from "./redact.ts";

/** A mistake of the operator's; its message is the sentence that is shown. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** A TCP port, 0 for any that is free: a variable for `readConfig`. */
export const port: z.ZodType<number> = z
  .string("must be a whole number from 0 to 65535")
  .regex(/^(?:0|[1-9][0-9]{0,4})$/u, "must be a whole number from 0 to 65535")
  .transform(Number)
  .refine((number) => number <= 65_535, "must be a whole number from 0 to 65535");

/** A text that is not empty, for instance a path: a variable for `readConfig`. */
export const text: z.ZodType<string> = z.string("must have a value").min(1, "must have a value");

/** `host:port` to dial: a variable for `readConfig`. */
export const address: z.ZodType<string> = z
  .string("must be a host and a port, such as 127.0.0.1:9000")
  .regex(/^(?:[\w.-]+|\[[0-9a-f:.]+\]):[1-9][0-9]{0,4}$/iu, "must be a host and a port, such as 127.0.0.1:9000")
  .refine((value) => Number(value.slice(value.lastIndexOf(":") + 1)) <= 65_535, "must have a port of 65535 at most");

const addressesSentence =
  "must be host:port, or several IP addresses with their ports, such as 127.0.0.1:9000,127.0.0.1:9001";

/** One `host:port` to dial, or several IP addresses of one family, with commas: a variable for `readConfig`. */
export const addresses: z.ZodType<readonly string[]> = z
  .string(addressesSentence)
  .transform((value) => value.split(","))
  .refine((list) => list.every((each) => address.safeParse(each).success), addressesSentence)
  .refine((list) => list.length === 1 || isOneFamily(list), addressesSentence);

function isOneFamily(list: readonly string[]): boolean {
  const families = list.map((each) => isIP(each.slice(0, each.lastIndexOf(":")).replace(/^\[|\]$/gu, "")));
  return families[0] !== 0 && new Set(families).size === 1;
}

/**
 * An https URL without a path, such as an issuer's (RFC 8414, section 2): a variable for `readConfig`. Tokens carry it and
 * verifiers compare it byte by byte, so there is one way to write it.
 */
export const httpsOrigin: z.ZodType<string> = text.refine(
  (value) => URL.canParse(value) && new URL(value).origin === value && value.startsWith("https://"),
  "must be an https URL without a path, such as https://issuer.production.internal",
);

/** A SPIFFE trust domain (SPIFFE-ID, section 2.1): a variable for `readConfig`. */
export const trustDomain: z.ZodType<string> = z
  .string("must be a trust domain, such as production.internal")
  .regex(/^[a-z0-9._-]{1,255}$/u, "must be a trust domain, such as production.internal");

/** A level of the log: a variable for `readConfig`. */
export const logLevel: z.ZodType<string> = z.enum(
  ["trace", "debug", "info", "warn", "error", "fatal", "silent"],
  "must be trace, debug, info, warn, error, fatal or silent",
);

/**
 * Reads the environment by a schema whose keys are the variables' names and whose messages end the sentence
 * "ZT_PORT …"; throws `ConfigError` that names the first variable that is wrong. An empty variable counts as not set.
 */
export function readConfig<T>(schema: z.ZodType<T>, environment: NodeJS.ProcessEnv = process.env): T {
  const variables = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const result = schema.safeParse(variables);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const name = String(issue?.path[0] ?? "the environment");
  throw new ConfigError(`${name} ${issue?.message ?? "is not valid"}; ${found(name, variables[name])}.`);
}

/** What was there instead; a value is shown only if neither its variable nor its looks suggest a secret. */
function found(name: string, value: string | undefined): string {
  if (value === undefined) return "it is not set";
  const secretName = name.split("_").some(isSecretName) || name.includes("KEY");
  const plain = /^[\w.:/@-]{1,80}$/u.test(value) && !/[\w+=-]{24}|:\/\/[^/@]*:[^/@]*@/u.test(value);
  if (secretName || !plain || redactText(value) !== value) return "its value is something else (not shown here)";
  return `it is "${value}"`;
}
