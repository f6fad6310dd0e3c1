import { expect, test } from "vitest";
import { z } from "zod";
import { ConfigError, readConfig, text } from "./config.ts";
import { databasePlace, databaseVariables, postgresUrl } from "./database-variables.ts";

const schema = z.object(databaseVariables).transform((variables, context) => databasePlace(variables, context));
const url = "postgres://order@postgres.production.internal:5432/order";

function sentenceOf(environment: NodeJS.ProcessEnv): string {
  try {
    readConfig(schema, environment);
  } catch (error) {
    return error instanceof ConfigError ? error.message : "it threw something else";
  }
  return "it was accepted";
}

test("a file, or a server with a file for its password", () => {
  expect(readConfig(schema, { ZT_DATABASE_FILE: "order.db" })).toEqual({ file: "order.db" });
  expect(readConfig(schema, { ZT_DATABASE_URL: url, ZT_DATABASE_PASSWORD_FILE: "/run/password" })).toEqual({
    host: "postgres.production.internal",
    port: 5432,
    database: "order",
    user: "order",
    passwordFile: "/run/password",
  });
  const ipv6 = "postgres://order@[::1]:5432/order";
  expect(readConfig(schema, { ZT_DATABASE_URL: ipv6, ZT_DATABASE_PASSWORD_FILE: "p" })).toMatchObject({ host: "::1" });
});

test("exactly one of the two, and the password's file with the server", () => {
  expect(sentenceOf({})).toBe("ZT_DATABASE_FILE or ZT_DATABASE_URL must have a value; it is not set.");
  expect(sentenceOf({ ZT_DATABASE_FILE: "order.db", ZT_DATABASE_URL: url })).toBe(
    `ZT_DATABASE_URL cannot be there beside ZT_DATABASE_FILE; it is "${url}".`,
  );
  expect(sentenceOf({ ZT_DATABASE_URL: url })).toBe(
    "ZT_DATABASE_PASSWORD_FILE must have a value, since ZT_DATABASE_URL has one; it is not set.",
  );
});

test.each([
  "postgresql://order@postgres:5432/order",
  "postgres://postgres:5432/order",
  "postgres://order@postgres/order",
  "postgres://order@postgres:65536/order",
  "postgres://order@postgres:5432",
  "postgres://order@postgres:5432/order?sslmode=disable",
  "postgres://order@a,b:5432/order",
])("refuses %s", (value) => {
  expect(sentenceOf({ ZT_DATABASE_URL: value, ZT_DATABASE_PASSWORD_FILE: "p" })).toContain(
    "ZT_DATABASE_URL must be like postgres://order@postgres.production.internal:5432/order, without a password; ",
  );
});

test("refuses a password in the URL, and does not show it", () => {
  const sentence = sentenceOf({ ZT_DATABASE_URL: "postgres://order:canary@postgres:5432/order" });
  expect(sentence).toContain("without a password");
  expect(sentence).not.toContain("canary");
});

test("of variables by other names, says those", () => {
  const names = { file: "ZT_ACQUIRER_FILE", url: "ZT_ACQUIRER_URL" };
  const acquirer = z
    .object({ ZT_ACQUIRER_FILE: text.optional(), ZT_ACQUIRER_URL: postgresUrl.optional() })
    .transform((variables, context) => databasePlace(variables, context, names));
  expect(() => readConfig(acquirer, {})).toThrow("ZT_ACQUIRER_FILE or ZT_ACQUIRER_URL must have a value");
});
