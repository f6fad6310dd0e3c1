import type { ApiKeySource } from "@zero-trust/auth/server";
import { apiKeyFile, type FileSource } from "@zero-trust/auth/stores/file";
import { apiKeyTable, createApiKeyTable, type PostgresPool } from "@zero-trust/auth/stores/postgres";
import { z } from "zod";
import { text } from "./config.ts";

/** Where a service finds its API keys, as its variables say it: a file, or a table of its own database. */
export type ApiKeysPlace = { readonly file: string } | { readonly table: string };

const tableRule = "must be the name of a table, such as api_keys";
const table: z.ZodType<string> = z
  .string(tableRule)
  .regex(/^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$/u, tableRule);

/** The variables that say where the API keys are; for a schema of `readConfig`, whose `transform` gives them to `apiKeysPlace`. */
export const apiKeysVariables: {
  readonly ZT_API_KEYS_FILE: z.ZodOptional<typeof text>;
  readonly ZT_API_KEYS_TABLE: z.ZodOptional<typeof table>;
} = { ZT_API_KEYS_FILE: text.optional(), ZT_API_KEYS_TABLE: table.optional() };

/**
 * Where the API keys are, of variables of which exactly one says it; a table is one of PostgreSQL.
 *
 * @example
 * ```ts
 * import { apiKeysPlace, apiKeysVariables, databaseVariables, readConfig } from "@zero-trust/server";
 * import { z } from "zod";
 *
 * const schema = z
 *   .object({ ...apiKeysVariables, ...databaseVariables })
 *   .transform((variables, context) => ({ apiKeys: apiKeysPlace(variables, context) }));
 * export const { apiKeys } = readConfig(schema, { ZT_API_KEYS_FILE: "/etc/payment/api-keys.json" });
 * ```
 */
export function apiKeysPlace(variables: Readonly<Record<string, unknown>>, context: z.RefinementCtx): ApiKeysPlace {
  const issue = (name: string, message: string): never => {
    context.addIssue({ code: "custom", path: [name], message, input: variables[name] });
    return z.NEVER;
  };
  const file = variables["ZT_API_KEYS_FILE"] as string | undefined;
  const name = variables["ZT_API_KEYS_TABLE"] as string | undefined;
  if (file !== undefined && name !== undefined)
    return issue("ZT_API_KEYS_TABLE", "cannot be there beside ZT_API_KEYS_FILE");
  if (file !== undefined) return { file };
  if (name === undefined) return issue("ZT_API_KEYS_FILE", "or ZT_API_KEYS_TABLE must have a value");
  if (variables["ZT_DATABASE_URL"] === undefined)
    return issue("ZT_API_KEYS_TABLE", "is a table of PostgreSQL, and needs ZT_DATABASE_URL");
  return { table: name };
}

/**
 * The API keys of a service. A table is made where there is none.
 *
 * @throws FileError when the file cannot be used; what the pool throws when there can be no table
 * @example
 * ```ts
 * import { type ApiKeysPlace, openApiKeys } from "@zero-trust/server";
 *
 * declare const place: ApiKeysPlace;
 * declare const pool: Parameters<typeof openApiKeys>[1]["pool"]; // plainQueries(db) of @zero-trust/database
 * const keys = await openApiKeys(place, { pool, onError: (error) => console.error(error.message) });
 * process.once("SIGTERM", () => keys.close());
 * ```
 */
export async function openApiKeys(
  place: ApiKeysPlace,
  options: { readonly pool: PostgresPool; readonly onError: (error: Error) => void },
): Promise<Omit<FileSource<ApiKeySource>, "checkedAtMs"> & Partial<Pick<FileSource<ApiKeySource>, "checkedAtMs">>> {
  const { pool, onError } = options;
  if ("file" in place) return apiKeyFile(place.file, { onError });
  await createApiKeyTable(pool, place.table);
  return { ...apiKeyTable({ pool, table: place.table, onError }), close: () => undefined };
}
