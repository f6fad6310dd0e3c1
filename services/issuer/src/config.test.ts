import { expect, test } from "vitest";
import { readIssuerConfig } from "./config.ts";

const environment = {
  ZT_PORT: "9443",
  ZT_TLS_DIR: "/run/tls",
  ZT_CLIENTS_FILE: "/run/clients.json",
  ZT_SIGNING_JWKS_FILE: "/run/signing.jwks.json",
  ZT_DATABASE_FILE: "/var/issuer.db",
};

test("reads what has to be said, and has defaults for the rest", () => {
  expect(readIssuerConfig(environment)).toEqual({
    host: "127.0.0.1",
    port: 9443,
    tlsDirectory: "/run/tls",
    trustDomain: "production.internal",
    issuer: "https://issuer.production.internal",
    clientsFile: "/run/clients.json",
    signingJwksFile: "/run/signing.jwks.json",
    keyLeadMs: 60_000,
    revocationsFile: undefined,
    database: { file: "/var/issuer.db" },
    telemetry: { metrics: undefined, otlpEndpoint: undefined },
  });
});

test.each(Object.keys(environment))("names %s when it is missing", (name) => {
  expect(() => readIssuerConfig({ ...environment, [name]: undefined })).toThrow(
    new RegExp(`^${name} (or ZT_DATABASE_URL )?must .*; it is not set\\.$`, "u"),
  );
});

test.each([
  "http://issuer.production.internal",
  "https://issuer.production.internal/",
  "https://ISSUER.production.internal",
  "https://issuer.production.internal:443",
  "issuer",
])("refuses %s for an issuer", (value) => {
  expect(() => readIssuerConfig({ ...environment, ZT_ISSUER: value })).toThrow(
    "ZT_ISSUER must be an https URL without a path",
  );
});

test("reads how long a key is published before it signs, and what the operator revokes", () => {
  const variables = { ZT_SIGNING_KEY_LEAD_SECONDS: "90", ZT_REVOCATIONS_FILE: "/run/revocations.json" };
  expect(readIssuerConfig({ ...environment, ...variables })).toMatchObject({
    keyLeadMs: 90_000,
    revocationsFile: "/run/revocations.json",
  });
});

test.each(["-1", "1.5", "1e3", "86401", "soon"])("refuses %s for a lead", (value) => {
  expect(() => readIssuerConfig({ ...environment, ZT_SIGNING_KEY_LEAD_SECONDS: value })).toThrow(
    "ZT_SIGNING_KEY_LEAD_SECONDS must be a whole number of seconds, 86400 at most",
  );
});

test("takes a database of PostgreSQL in the place of the file", () => {
  const variables = {
    ZT_DATABASE_FILE: undefined,
    ZT_DATABASE_URL: "postgres://issuer@postgres.production.internal:5432/issuer",
    ZT_DATABASE_PASSWORD_FILE: "/run/password",
  };
  expect(readIssuerConfig({ ...environment, ...variables }).database).toMatchObject({ database: "issuer" });
});
