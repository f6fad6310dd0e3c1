import { expect, test } from "vitest";
import { z } from "zod";
import {
  address,
  addresses,
  ConfigError,
  httpsOrigin,
  logLevel,
  port,
  readConfig,
  text,
  trustDomain,
} from "./config.ts";

const schema = z.object({
  ZT_PORT: port,
  ZT_HOST: text.default("127.0.0.1"),
  ZT_PAYMENT_ADDRESS: address.optional(),
  ZT_SIGNING_SECRET: z.literal("x", "must be x").optional(),
  ZT_LOG_LEVEL: logLevel.optional(),
});

function sentenceOf(environment: NodeJS.ProcessEnv): string {
  try {
    readConfig(schema, environment);
  } catch (error) {
    return error instanceof ConfigError ? error.message : "it threw something else";
  }
  return "it was accepted";
}

test("reads variables, with defaults, and takes an empty one for not set", () => {
  expect(readConfig(schema, { ZT_PORT: "9000", ZT_HOST: "" })).toEqual({ ZT_PORT: 9000, ZT_HOST: "127.0.0.1" });
});

test.each(["0", "65535"])("accepts port %s", (value) => {
  expect(readConfig(schema, { ZT_PORT: value }).ZT_PORT).toBe(Number(value));
});

test("names the variable that is missing", () => {
  expect(sentenceOf({})).toBe("ZT_PORT must be a whole number from 0 to 65535; it is not set.");
});

test.each(["65536", "-1", "1e3", "08", "0x10", " 80"])("refuses port %j", (value) => {
  expect(sentenceOf({ ZT_PORT: value })).toContain("ZT_PORT must be a whole number from 0 to 65535; it");
});

test("says what it found", () => {
  expect(sentenceOf({ ZT_PORT: "http" })).toBe('ZT_PORT must be a whole number from 0 to 65535; it is "http".');
  expect(sentenceOf({ ZT_PORT: "1", ZT_PAYMENT_ADDRESS: "localhost" })).toBe(
    'ZT_PAYMENT_ADDRESS must be a host and a port, such as 127.0.0.1:9000; it is "localhost".',
  );
});

test.each([
  ["a variable for a secret", { ZT_PORT: "1", ZT_SIGNING_SECRET: "canary" }],
  ["an API key", { ZT_PORT: "sk-live-canary" }],
  ["a long random text", { ZT_PORT: `canary${"A0".repeat(20)}` }],
  ["a URL with a password", { ZT_PORT: "https://user:canary@127.0.0.1:4318" }],
  ["a text of several lines", { ZT_PORT: "a\ncanary" }],
])("does not show the value of %s", (_, environment) => {
  const sentence = sentenceOf(environment);
  expect(sentence).toContain("its value is something else (not shown here).");
  expect(sentence).not.toContain("canary");
});

test.each([
  ["a port beyond 65535", address, "127.0.0.1:65536", "must have a port of 65535 at most"],
  ["an issuer that is no URL", httpsOrigin, "issuer", "must be an https URL without a path"],
  ["an issuer without TLS", httpsOrigin, "http://issuer", "must be an https URL without a path"],
  [
    "an issuer that tokens would write otherwise",
    httpsOrigin,
    "https://issuer/",
    "must be an https URL without a path",
  ],
  ["a trust domain with a path", trustDomain, "production.internal/a", "must be a trust domain"],
  ["a trust domain in capitals", trustDomain, "Production.Internal", "must be a trust domain"],
])("refuses %s", (_, variable, value, sentence) => {
  const read = () => readConfig(z.object({ ZT_X: variable }), { ZT_X: value });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(`ZT_X ${sentence}`);
});

test("takes an address, an issuer and a trust domain as they are", () => {
  const all = z.object({ ZT_A: address, ZT_I: httpsOrigin, ZT_T: trustDomain });
  const given = { ZT_A: "[::1]:65535", ZT_I: "https://issuer.production.internal", ZT_T: "production.internal" };
  expect(readConfig(all, given)).toEqual(given);
});

test.each([
  ["payment.production.internal:50051", ["payment.production.internal:50051"]],
  ["127.0.0.1:9000,127.0.0.1:9001", ["127.0.0.1:9000", "127.0.0.1:9001"]],
  ["[::1]:9000,[::1]:9001", ["[::1]:9000", "[::1]:9001"]],
])("takes %s for addresses", (value, list) => {
  expect(readConfig(z.object({ ZT_A: addresses }), { ZT_A: value })).toEqual({ ZT_A: list });
});

test.each([
  "127.0.0.1",
  "127.0.0.1:9000,",
  "127.0.0.1:9000,[::1]:9000",
  "a.internal:9000,b.internal:9000",
  "a:1,127.0.0.1:1",
])("refuses %s for addresses", (value) => {
  expect(() => readConfig(z.object({ ZT_A: addresses }), { ZT_A: value })).toThrow(
    "ZT_A must be host:port, or several",
  );
});
