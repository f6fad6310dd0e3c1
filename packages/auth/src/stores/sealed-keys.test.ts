import { createCipheriv } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newSigningKey } from "../hmac/keys.ts";
import { JsonShapeError } from "../json-shape.ts";
import { Secret } from "../secret.ts";
import { FileError } from "./reloading-file.ts";
import {
  newKeyEncryptionKey,
  openSigningKeys,
  type SigningKeyEntry,
  sealSigningKeys,
  signingKeysOf,
} from "./sealed-keys.ts";

const kek = newKeyEncryptionKey();
const entry: SigningKeyEntry = {
  ...newSigningKey(),
  client: "order-service",
  audience: "https://payment.production.internal",
  scopes: ["write:payments"],
  createdAt: "2026-01-01T00:00:00Z",
  expiresAt: "2026-02-01T00:00:00Z",
};
const bare = (entries: readonly SigningKeyEntry[]) =>
  entries.map((item) => ({ ...item, secret: item.secret.expose() }));
/** Seals anything, as something that is not this package could. */
function seal(content: string, purpose = "zero-trust signing keys v1"): string {
  const iv = Buffer.alloc(12);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(kek.expose(), "base64url"), iv).setAAD(Buffer.from(purpose));
  const body = Buffer.concat([cipher.update(content), cipher.final()]);
  return JSON.stringify({ sealed: Buffer.concat([iv, cipher.getAuthTag(), body]).toString("base64url") });
}
function errorOf(file: string): string {
  try {
    signingKeysOf(openSigningKeys(file, kek));
    return "none";
  } catch (error) {
    return (error as Error).name;
  }
}

describe("sealed signing keys", () => {
  test("are what was sealed when they are opened, and do not print", () => {
    const fresh = { ...entry, ...newSigningKey(), revokedAt: "2026-01-02T00:00:00.5Z" };
    const opened = openSigningKeys(sealSigningKeys([entry, fresh], kek), kek.expose());
    expect(bare(opened)).toEqual(bare([entry, fresh]));
    for (const { secret } of [entry, fresh]) expect(inspect(opened, { depth: 9 })).not.toContain(secret.expose());
    expect([...signingKeysOf(opened).values()]).toMatchObject([
      { id: entry.id, expiresAtMs: Date.UTC(2026, 1, 1) },
      { id: fresh.id, expiresAtMs: Date.UTC(2026, 1, 1), revokedAtMs: Date.UTC(2026, 0, 2) + 500 },
    ]);
  });
  test("open with another key-encryption key once they are sealed again, and no more with the one before", () => {
    const newKek = newKeyEncryptionKey();
    const resealed = sealSigningKeys(openSigningKeys(sealSigningKeys([entry], kek), kek), newKek);
    expect(bare(openSigningKeys(resealed, newKek))).toEqual(bare([entry]));
    expect(() => openSigningKeys(resealed, kek)).toThrow(FileError);
  });
  test("are not sealed when they could not be opened again, and their secrets are not quoted", () => {
    const refused: [object, RegExp][] = [
      [{ secret: new Secret("canary") }, /"secret" that is not of its form/],
      [{ id: "sk-live" }, /"id"/],
      [{ client: "Order" }, /"client"/],
      [{ expiresAt: "tomorrow" }, /"expiresAt"/],
      [{ note: "canary" }, /unknown key "note"/],
    ];
    for (const [changes, message] of refused) {
      const attempt = () => sealSigningKeys([{ ...entry, ...changes }], kek);
      expect(attempt).toThrow(message);
      expect(attempt).not.toThrow(/canary/);
    }
    expect(() => sealSigningKeys([entry, entry], kek)).toThrow(/second entry/);
  });
  test.each(["", "short", `${"A".repeat(43)}=`, `${"A".repeat(42)}+`])("do not open with %j", (text) => {
    expect(() => openSigningKeys(sealSigningKeys([entry], kek), text)).toThrow(TypeError);
  });
  test("do not open when they were sealed for something else", () => {
    expect(openSigningKeys(seal('{"keys": []}'), kek)).toEqual([]);
    expect(() => openSigningKeys(seal('{"keys": []}', "something else"), kek)).toThrow(FileError);
  });
  test("do not open with any bit flipped", () => {
    const { sealed } = JSON.parse(sealSigningKeys([entry], kek)) as { sealed: string };
    const bytes = Buffer.from(sealed, "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const file = JSON.stringify({ sealed: changed.toString("base64url") });
      expect(() => openSigningKeys(file, kek)).toThrow(FileError);
    }
  });
  test.each<[string, string, RegExp]>([
    ["no JSON", seal("{"), /^it is not JSON$/],
    ["a list", seal("[]"), /the content is not an object/],
    ["other keys", seal('{"keys": [], "more": 1}'), /the content has an unknown key "more"/],
    ["a key beside the seal", `{"sealed": "${"A".repeat(60)}", "keys": []}`, /unknown key "keys"/],
  ])("with %s inside are refused in a sentence", (_name, file, message) => {
    expect(() => openSigningKeys(file, kek)).toThrow(JsonShapeError);
    expect(() => openSigningKeys(file, kek)).toThrow(message);
  });
  test("whatever the file holds, it is refused in a sentence or gives keys", () => {
    const good = sealSigningKeys([entry], kek);
    const files = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc.base64String({ maxLength: 80 }).map((sealed) => JSON.stringify({ sealed })),
      fc.json().map((content) => seal(content)),
      fc.jsonValue().map((item) => seal(JSON.stringify({ keys: [item] }))),
      fc
        .dictionary(fc.constantFrom("id", "client", "scopes", "secret", "expiresAt"), fc.jsonValue())
        .map((changes) => seal(JSON.stringify({ keys: [{ ...bare([entry])[0], ...changes }] }))),
      fc.tuple(fc.nat(good.length), fc.nat(3)).map(([at, cut]) => good.slice(0, at) + good.slice(at + cut)),
    );
    fc.assert(
      fc.property(files, (file) => {
        expect(["JsonShapeError", "FileError", "none"]).toContain(errorOf(file));
      }),
      { numRuns: 500 },
    );
  });
});
