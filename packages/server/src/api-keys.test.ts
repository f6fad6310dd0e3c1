import { expect, test } from "vitest";
import { z } from "zod";
import { apiKeysPlace, apiKeysVariables } from "./api-keys.ts";
import { readConfig } from "./config.ts";
import { databaseVariables } from "./database-variables.ts";

const schema = z
  .object({ ...apiKeysVariables, ...databaseVariables })
  .transform((variables, context) => apiKeysPlace(variables, context));
const ZT_DATABASE_URL = "postgres://order@postgres.production.internal:5432/order";

test("a file, or a table of the service's database", () => {
  expect(readConfig(schema, { ZT_API_KEYS_FILE: "api-keys.json" })).toEqual({ file: "api-keys.json" });
  expect(readConfig(schema, { ZT_API_KEYS_TABLE: "api_keys", ZT_DATABASE_URL })).toEqual({ table: "api_keys" });
});

test.each<[NodeJS.ProcessEnv, string]>([
  [{}, "ZT_API_KEYS_FILE or ZT_API_KEYS_TABLE must have a value"],
  [{ ZT_API_KEYS_FILE: "f", ZT_API_KEYS_TABLE: "t" }, "ZT_API_KEYS_TABLE cannot be there beside ZT_API_KEYS_FILE"],
  [{ ZT_API_KEYS_TABLE: "api_keys" }, "ZT_API_KEYS_TABLE is a table of PostgreSQL, and needs ZT_DATABASE_URL"],
  [{ ZT_API_KEYS_TABLE: "drop table" }, "ZT_API_KEYS_TABLE must be the name of a table, such as api_keys"],
])("says of %j what is wrong", (environment, sentence) => {
  expect(() => readConfig(schema, environment)).toThrow(sentence);
});
