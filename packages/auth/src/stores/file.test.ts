import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { apiKeySourceContract } from "../../test/api-key-source-contract.ts";
import { newApiKey, newKeyEncryptionKey, newSigningKey, sealSigningKeys } from "../issue.ts";
import { apiKeyFile, FileError, grantsFile, ownSigningKeyFile, signingKeyFile } from "./file.ts";

let folder: string;
const path = (name: string) => join(folder, name);
function write(name: string, content: unknown): string {
  writeFileSync(path(name), typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
  return path(name);
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zt-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const spiffeId = "spiffe://production.internal/order-service";
const grant = { spiffeId, client: "order-service", scopes: ["read:test"] };

describe("grantsFile", () => {
  test("follows a change and keeps the last good version", async () => {
    const file = write("grants.json", { grants: [grant] });
    const errors: Error[] = [];
    using source = closing(grantsFile(file, { reloadMs: 5, onError: (error) => errors.push(error) }));
    const scopes = () => [...(source.value.current().get(spiffeId)?.scopes ?? [])];
    expect(scopes()).toEqual(["read:test"]);
    write("grants.json", '{"grants": [');
    await vi.waitFor(() => expect(errors[0]?.message).toMatch(/grants\.json is no good: it is not JSON/));
    expect(scopes()).toEqual(["read:test"]);
    write("grants.json", { grants: [] });
    await vi.waitFor(() => expect(source.value.current().size).toBe(0));
  });
  test.each([
    ["a mistyped key", { grants: [{ ...grant, scope: [] }] }, /unknown key "scope"/],
    ["a SPIFFE ID that is none", { grants: [{ ...grant, spiffeId: "order-service" }] }, /is no good/],
    ["a SPIFFE ID twice", { grants: [grant, grant] }, /second entry/],
    ["a client out of its grammar", { grants: [{ ...grant, client: "Order Service" }] }, /"client"/],
    ["scopes that are no list", { grants: [{ ...grant, scopes: "read:test" }] }, /no list "scopes"/],
  ])("refuses %s in a sentence that names the file", (_name, content, message) => {
    const open = () => grantsFile(write("grants.json", content));
    expect(open).toThrow(FileError);
    expect(open).toThrow(message);
    expect(open).toThrow(/grants\.json/);
  });
  test("refuses a file that is not there", () => {
    expect(() => grantsFile(path("none.json"))).toThrow(/none\.json cannot be read \(ENOENT\)/);
  });
});

describe("apiKeyFile", () => {
  apiKeySourceContract(async (entries) => {
    const told: string[] = [];
    const file = write("keys.json", { keys: entries });
    const keys = apiKeyFile(file, { reloadMs: 5, onError: ({ message }) => told.push(message) });
    onTestFinished(() => keys.close());
    return { keys, told, write: (all) => void write("keys.json", { keys: all }) };
  });
  test("K10: follows a change, finds nothing by a name of its own, and keeps the last good version whole", async () => {
    const [one, other] = [newApiKey("live"), newApiKey("live")];
    const file = (...keys: (typeof one)[]) => ({
      keys: keys.map(({ id, sha256 }) => ({
        id,
        client: "reporting",
        audience: "https://x",
        scopes: [],
        secrets: [{ sha256 }],
      })),
    });
    const errors: string[] = [];
    const path1 = write("keys.json", file(one));
    using source = closing(apiKeyFile(path1, { reloadMs: 5, onError: ({ message }) => errors.push(message) }));
    const found = () => [one.id, other.id, "__proto__", "constructor"].map((id) => source.value.find(id) !== undefined);
    expect(found()).toEqual([true, false, false, false]);
    write("keys.json", { keys: [...file(other).keys, { id: other.id }] });
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    expect(found()).toEqual([true, false, false, false]);
    write("keys.json", file(other));
    await vi.waitFor(() => expect(found()).toEqual([false, true, false, false]));
  });
  test("refuses a key without a secret", () => {
    const key = { id: "a".repeat(12), client: "reporting", audience: "https://x", scopes: [], secrets: [] };
    expect(() => apiKeyFile(write("keys.json", { keys: [key] }))).toThrow(/keys\[0\] has no secret/);
  });
});

describe("ownSigningKeyFile", () => {
  const newKey = () => {
    const { id, secret } = newSigningKey();
    return { id, secret: secret.expose() };
  };
  const shown = ({ current }: ReturnType<typeof ownSigningKeyFile>) => {
    const { keyId: id, secret } = current();
    return { id, secret: typeof secret === "string" ? secret : secret.expose() };
  };
  test("follows id and secret together, and keeps the last good version", async () => {
    const [one, other] = [newKey(), newKey()];
    const errors: string[] = [];
    const reload = { reloadMs: 5, onError: ({ message }: Error) => errors.push(message) };
    using source = closing(ownSigningKeyFile(write("own.json", { ...one, client: "order-service" }), reload));
    expect(shown(source.value)).toEqual(one);
    write("own.json", { ...other, secret: "canary" });
    await vi.waitFor(() => expect(errors[0]).toMatch(/own\.json is no good: the secret is not hs-/));
    expect(errors[0]).not.toContain("canary");
    expect(shown(source.value)).toEqual(one);
    write("own.json", other);
    await vi.waitFor(() => expect(shown(source.value)).toEqual(other));
  });
  test("takes a secret alone, with the line feed that editors put after it, where the id is given", () => {
    const { id: keyId, secret } = newKey();
    using source = closing(ownSigningKeyFile(write("own", `${secret}\n`), { keyId }));
    expect(shown(source.value)).toEqual({ id: keyId, secret });
  });
  test.each([
    ["a secret whose id nobody knows", newKey().secret, undefined, /a secret and no id/],
    ["another id than the one that is given", newKey(), newKey().id, /another id than the one that is given/],
    ["an id that is none", { ...newKey(), id: "sk-oops" }, undefined, /the id of the key is not hk-/],
    ["a secret that is none", "hunter2", newKey().id, /the secret is not hs-/],
    ["no secret", { id: newKey().id }, undefined, /no text "secret"/],
    ["half of itself", '{"id":"hk-', undefined, /not JSON/],
  ])("refuses %s in a sentence that names the file and does not quote it", (_name, content, keyId, message) => {
    const open = () => ownSigningKeyFile(write("own.json", content), { keyId });
    expect(open).toThrow(FileError);
    expect(open).toThrow(message);
    expect(open).toThrow(/own\.json/);
    expect(open).not.toThrow(/oops|hunter2/);
  });
});

describe("signingKeyFile", () => {
  const kek = newKeyEncryptionKey();
  const { id, secret } = newSigningKey();
  const entry = {
    id,
    secret,
    client: "order-service",
    audience: "https://payment.production.internal",
    scopes: ["write:payments"],
  };
  const files = () => ({
    path: write("signing.json", sealSigningKeys([entry], kek)),
    keyEncryptionKeyPath: write("kek", kek.expose()),
  });

  test("opens what was sealed, and the file holds no secret", async () => {
    using source = closing(signingKeyFile(files()));
    expect(await source.value.find(id)).toMatchObject({ id, client: "order-service" });
    expect(sealSigningKeys([entry], kek)).not.toContain(secret.expose().slice(3));
  });
  test("does not open with another key, nor when a byte is changed", () => {
    const good = files();
    write("kek", newKeyEncryptionKey().expose());
    expect(() => signingKeyFile(good)).toThrow(/does not open/);
    const sealed = sealSigningKeys([entry], kek);
    const at = sealed.length - 20;
    const changed = sealed.slice(0, at) + (sealed[at] === "A" ? "B" : "A") + sealed.slice(at + 1);
    write("signing.json", changed);
    write("kek", kek.expose());
    expect(() => signingKeyFile(good)).toThrow(/does not open/);
  });
  test("follows a rotation whose parts arrive one after the other, and drops the old key then", async () => {
    const fresh = { ...entry, ...newSigningKey() };
    const freshKek = newKeyEncryptionKey();
    const errors: string[] = [];
    using source = closing(signingKeyFile({ ...files(), reloadMs: 5, onError: ({ message }) => errors.push(message) }));
    write("signing.json", sealSigningKeys([fresh], freshKek));
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    expect(await source.value.find(id)).toBeDefined();
    write("kek", freshKek.expose());
    await vi.waitFor(async () => expect(await source.value.find(fresh.id)).toBeDefined());
    expect(await source.value.find(id)).toBeUndefined();
    expect(errors).toHaveLength(1);
  });
  test("follows a version that was open to others for a moment", async () => {
    const fresh = { ...entry, ...newSigningKey() };
    const errors: string[] = [];
    using source = closing(signingKeyFile({ ...files(), reloadMs: 5, onError: ({ message }) => errors.push(message) }));
    chmodSync(path("signing.json"), 0o644);
    write("signing.json", sealSigningKeys([fresh], kek));
    await vi.waitFor(() => expect(errors[0]).toMatch(/open to others/));
    chmodSync(path("signing.json"), 0o600);
    await vi.waitFor(async () => expect(await source.value.find(fresh.id)).toBeDefined());
  });
  test("says which file is no key-encryption key, and does not quote it", () => {
    const good = files();
    for (const text of ["", "canary", `${kek.expose()}${kek.expose()}`]) {
      write("kek", text);
      expect(() => signingKeyFile(good)).toThrow(/its key-encryption key .*kek is no good/);
      expect(() => signingKeyFile(good)).not.toThrow(text === "" ? /canary/ : text);
    }
  });
  test("refuses files that others can read", () => {
    const good = files();
    chmodSync(good.path, 0o660);
    expect(() => signingKeyFile(good)).toThrow(/signing\.json is open to others: chmod 600/);
    chmodSync(good.path, 0o600);
    chmodSync(good.keyEncryptionKeyPath, 0o604);
    expect(() => signingKeyFile(good)).toThrow(/kek is open to others/);
  });
});

function closing<T extends { close(): void }>(value: T): Disposable & { readonly value: T } {
  return { value, [Symbol.dispose]: () => value.close() };
}
