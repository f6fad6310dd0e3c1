import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@zero-trust/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientsDocument, orders, trustDomain } from "../test/start-issuer.ts";
import { readClients } from "./clients.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "clients-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Document {
  clients: Record<string, unknown>[];
}

function read(change: (document: Document) => unknown = (document) => document): ReturnType<typeof readClients> {
  const path = join(directory, "clients.json");
  const document = clientsDocument("canary") as Document;
  writeFileSync(path, JSON.stringify(change(document) ?? document));
  return readClients(path, { trustDomain });
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
    change(2, { secretSha256: "canary" }),
    "clients.2.secretSha256 must be 64 hex digits",
  ],
  ["a secret for a client that has none", change(0, { secretSha256: "0".repeat(64) }), "clients.0"],
  [
    "another way to authenticate",
    change(0, { authentication: "none" }),
    "clients.0.authentication must be tls_client_auth or client_secret_basic",
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
  expect(() => readClients(path, { trustDomain })).toThrow(
    new ConfigError(`The clients file ${path} does not exist; name another with ZT_CLIENTS_FILE.`),
  );
  writeFileSync(path, "canary");
  expect(() => readClients(path, { trustDomain })).toThrow(
    new ConfigError(`The clients file ${path} is not JSON; correct it or name another with ZT_CLIENTS_FILE.`),
  );
});
