import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@zero-trust/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ClientsDocument, clientsDocument, orders, trustDomain } from "../test/start-issuer.ts";
import { type Clients, clientsFile, unexpired } from "./clients.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "clients-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

type Document = ClientsDocument;

const onError = () => undefined;

function read(change: (document: Document) => unknown = (document) => document): Clients {
  const path = join(directory, "clients.json");
  const document = clientsDocument("canary");
  writeFileSync(path, JSON.stringify(change(document) ?? document));
  return clientsFile(path, { trustDomain, onError }).current();
}

function sentenceOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof ConfigError ? error.message : "it threw something else";
  }
  return "it was accepted";
}

test("reads clients by the workload that they are", () => {
  const clients = read();
  expect([...clients.keys()].map((id) => clients.get(id)?.clientId)).toEqual([
    "storefront",
    "order-service",
    "partner",
  ]);
  expect(clients.get("spiffe://production.internal/storefront")?.audiences.get(orders)).toEqual(
    new Set(["read:orders", "write:orders"]),
  );
});

test("takes an id of 63 characters, which is what a token may name", () => {
  const clientId = "a".repeat(63);
  const clients = read((document) => void Object.assign(document.clients[0] ?? {}, { clientId }));
  expect([...clients.values()][0]?.clientId).toBe(clientId);
});

const secret = { sha256: "0".repeat(64) };
const keyed = { authentication: "private_key_jwt" };
const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = { ...publicKey.export({ format: "jwk" }), kid: "a", alg: "ES256" };

test("takes two secrets and two keys, of which one may have ended", () => {
  const ended = { createdAt: "2026-01-01T00:00:00Z", expiresAt: "2026-01-31T12:00:00Z" };
  const okp = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
  const second = { ...okp, kid: "b", alg: "Ed25519" };
  const clients = read((document) => {
    Object.assign(document.clients[0] ?? {}, { ...keyed, keys: [{ jwk, ...ended }, { jwk: second }] });
    Object.assign(document.clients[2] ?? {}, { secrets: [{ ...secret, ...ended }, secret] });
  });
  const [storefront, , partner] = [...clients.values()];
  const endedMs = Date.UTC(2026, 0, 31, 12);
  expect(storefront?.keys).toEqual([
    { jwk, expiresAtMs: endedMs },
    { jwk: second, expiresAtMs: undefined },
  ]);
  expect(unexpired(storefront?.keys ?? [], endedMs - 1)).toHaveLength(2);
  expect(unexpired(storefront?.keys ?? [], endedMs)).toHaveLength(1);
  expect(partner?.secrets.map(({ expiresAtMs }) => expiresAtMs)).toEqual([endedMs, undefined]);
});

const change = (index: number, fields: Record<string, unknown>) => (document: Document) =>
  void Object.assign(document.clients[index] ?? {}, fields);

test.each<[string, (document: Document) => unknown, string]>([
  ["two clients of one id", change(1, { clientId: "storefront" }), "clients.1.clientId is another client's"],
  [
    "two clients of one workload",
    change(1, { spiffeId: "spiffe://production.internal/storefront" }),
    "clients.1.spiffeId is another client's",
  ],
  [
    "a workload of another trust domain",
    change(0, { spiffeId: "spiffe://staging.internal/storefront" }),
    "clients.0.spiffeId must be of the trust domain production.internal",
  ],
  ["what is no SPIFFE ID", change(0, { spiffeId: "storefront" }), "clients.0.spiffeId must be a SPIFFE ID"],
  [
    "a secret in place of its digest",
    change(2, { secrets: [{ sha256: "canary" }] }),
    "clients.2.secrets.0.sha256 must be 64 hex digits",
  ],
  ["a secret for a client that has none", change(0, { secrets: [secret] }), "clients.0"],
  ["no secret", change(2, { secrets: [] }), "clients.2.secrets must have one or two"],
  ["three secrets", change(2, { secrets: [secret, secret, secret] }), "clients.2.secrets must have one or two"],
  [
    "a time without a zone",
    change(2, { secrets: [{ ...secret, expiresAt: "2026-01-31T12:00:00" }] }),
    "clients.2.secrets.0.expiresAt must be a time in UTC",
  ],
  [
    "a private key of a client",
    change(0, { ...keyed, keys: [{ jwk: { ...jwk, d: "A".repeat(43) } }] }),
    "clients.0.keys.0.jwk",
  ],
  [
    "a key of another algorithm",
    change(0, { ...keyed, keys: [{ jwk: { ...jwk, alg: "RS256" } }] }),
    "clients.0.keys.0.jwk.alg must be ES256 or Ed25519",
  ],
  [
    "a key that is not on its curve",
    change(0, { ...keyed, keys: [{ jwk: { ...jwk, x: "A".repeat(43) } }] }),
    "clients.0.keys.0.jwk is not a key",
  ],
  ["two keys of one id", change(0, { ...keyed, keys: [{ jwk }, { jwk }] }), "clients.0.keys has two keys of one kid"],
  [
    "another way to authenticate",
    change(0, { authentication: "none" }),
    "clients.0.authentication must be tls_client_auth, client_secret_basic or private_key_jwt",
  ],
  [
    "an audience with a path",
    change(0, { audiences: { [`${orders}/`]: ["read:orders"] } }),
    `clients.0.audiences.${orders}/`,
  ],
  [
    "an audience without scopes",
    change(0, { audiences: { [orders]: [] } }),
    `clients.0.audiences.${orders} must have a scope`,
  ],
  ["two scopes in one text", change(0, { audiences: { [orders]: ["a b"] } }), "must be a scope"],
  [
    "an id of more than 63 characters",
    change(0, { clientId: "a".repeat(64) }),
    "clients.0.clientId must be 1 to 63 of",
  ],
  ["an unknown member", change(0, { admin: true }), "clients.0"],
  ["a list without a name", (document) => document.clients, "its content"],
])("refuses %s, in a sentence that names the place and not the content", (_, edit, place) => {
  const sentence = sentenceOf(() => read(edit));
  expect(sentence).toContain(place);
  expect(sentence).toMatch(
    /^The clients file \S+ is not valid: .*; correct it or name another with ZT_CLIENTS_FILE\.$/u,
  );
  expect(sentence).not.toContain("canary");
});

test("refuses a file that is missing or no JSON, and does not quote it", () => {
  const path = join(directory, "other.json");
  expect(() => clientsFile(path, { trustDomain, onError })).toThrow(
    new ConfigError(`The clients file ${path} does not exist; name another with ZT_CLIENTS_FILE.`),
  );
  writeFileSync(path, "canary");
  expect(() => clientsFile(path, { trustDomain, onError })).toThrow(
    new ConfigError(`The clients file ${path} is not JSON; correct it or name another with ZT_CLIENTS_FILE.`),
  );
});
