import { z } from "zod";
import { text } from "./config.ts";

/** Where a service keeps its data, as its variables say it. */
export type DatabasePlace = { readonly file: string } | PostgresPlace;

/** A database of a PostgreSQL server, without the password. */
export interface PostgresPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly passwordFile: string;
}

const postgresUrlRule = "must be like postgres://order@postgres.production.internal:5432/order, without a password";

/** Where a PostgreSQL database is and as whom: a variable for `readConfig`. The password is in a file of its own. */
export const postgresUrl: z.ZodType<Omit<PostgresPlace, "passwordFile">> = z
  .string(postgresUrlRule)
  .regex(/^postgres:\/\/[\w-]+@(?:[\w.-]+|\[[0-9a-f:.]+\]):[1-9][0-9]{0,4}\/[\w-]+$/iu, postgresUrlRule)
  .refine((value) => URL.canParse(value), postgresUrlRule)
  .transform((value) => {
    const { hostname, port, pathname, username } = new URL(value);
    const host = hostname.replace(/^\[(.*)\]$/u, "$1");
    return { host, port: Number(port), database: pathname.slice(1), user: username };
  });

/**
 * The variables that say where a service keeps its data: a file, or a database of PostgreSQL; for a schema of `readConfig`,
 * whose `transform` gives them to `databasePlace`.
 */
export const databaseVariables: {
  readonly ZT_DATABASE_FILE: z.ZodOptional<typeof text>;
  readonly ZT_DATABASE_URL: z.ZodOptional<typeof postgresUrl>;
  readonly ZT_DATABASE_PASSWORD_FILE: z.ZodOptional<typeof text>;
} = {
  ZT_DATABASE_FILE: text.optional(),
  ZT_DATABASE_URL: postgresUrl.optional(),
  ZT_DATABASE_PASSWORD_FILE: text.optional(),
};

/** Which variables say it; `ZT_DATABASE_PASSWORD_FILE` unless another one is named. */
export interface DatabasePlaceNames {
  readonly file: string;
  readonly url: string;
  readonly passwordFile?: string;
}

/**
 * Where the data is, of variables of which exactly one says it; what is wrong becomes an issue of the one that it is about.
 *
 * @example
 * ```ts
 * import { databasePlace, databaseVariables, readConfig } from "@zero-trust/server";
 * import { z } from "zod";
 *
 * const schema = z
 *   .object(databaseVariables)
 *   .transform((variables, context) => ({ database: databasePlace(variables, context) }));
 * export const { database } = readConfig(schema, { ZT_DATABASE_FILE: "/var/lib/order/order.db" });
 * ```
 */
export function databasePlace(
  variables: Readonly<Record<string, unknown>>,
  context: z.RefinementCtx,
  names: DatabasePlaceNames = { file: "ZT_DATABASE_FILE", url: "ZT_DATABASE_URL" },
): DatabasePlace {
  const { passwordFile: passwordFileName = "ZT_DATABASE_PASSWORD_FILE" } = names;
  const issue = (name: string, message: string): never => {
    context.addIssue({ code: "custom", path: [name], message, input: variables[name] });
    return z.NEVER;
  };
  const file = variables[names.file] as string | undefined;
  const server = variables[names.url] as Omit<PostgresPlace, "passwordFile"> | undefined;
  const passwordFile = variables[passwordFileName] as string | undefined;
  if (file !== undefined && server !== undefined) return issue(names.url, `cannot be there beside ${names.file}`);
  if (file !== undefined) return { file };
  if (server === undefined) return issue(names.file, `or ${names.url} must have a value`);
  if (passwordFile === undefined) return issue(passwordFileName, `must have a value, since ${names.url} has one`);
  return { ...server, passwordFile };
}
