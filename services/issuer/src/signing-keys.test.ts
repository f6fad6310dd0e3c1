import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@zero-trust/server";
import { exportJWK, generateKeyPair } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newSigningKey } from "../test/start-issuer.ts";
import { publicJwks, type SigningKey, signingKeysFile } from "./signing-keys.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "keys-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function read(document: unknown, mode = 0o600): readonly SigningKey[] {
  const path = join(directory, "signing.jwks.json");
  rmSync(path, { force: true });
  writeFileSync(path, JSON.stringify(document), { mode });
  return signingKeysFile(path, { onError: () => undefined }).current();
}

function sentenceOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof ConfigError ? error.message : "it threw something else";
  }
  return "it was accepted";
}

test("publishes all keys without what is private", async () => {
  const keys = read({ keys: [await newSigningKey("now"), await newSigningKey("next")] });
  expect(publicJwks(keys).keys.map(({ kid }) => kid)).toEqual(["now", "next"]);
  for (const { d } of keys) expect(JSON.stringify(publicJwks(keys))).not.toContain(d);
});

test("reads when a key was made", async () => {
  const [first, second] = read({
    keys: [await newSigningKey("a"), { ...(await newSigningKey("b")), createdAt: "2026-01-31T12:00:00Z" }],
  });
  expect([first?.createdAtMs, second?.createdAtMs]).toEqual([0, Date.UTC(2026, 0, 31, 12)]);
});

test("refuses a file that others may read", async () => {
  const document = { keys: [await newSigningKey("a")] };
  expect(sentenceOf(() => read(document, 0o604))).toMatch(
    /^The signing keys file \S+ is open to others: chmod 600 it/u,
  );
});

test.each<[string, () => Promise<unknown>, string]>([
  ["no keys", async () => ({ keys: [] }), "has no key"],
  ["a public key", async () => ({ keys: [{ ...(await newSigningKey("a")), d: undefined }] }), "keys.0.d must be"],
  [
    "a key without an id",
    async () => ({ keys: [{ ...(await newSigningKey("a")), kid: undefined }] }),
    "keys.0.kid must be",
  ],
  [
    "two keys of one id",
    async () => ({ keys: [await newSigningKey("a"), await newSigningKey("a")] }),
    "two keys of one kid",
  ],
  [
    "halves of two keys",
    async () => {
      const [one, other] = [await newSigningKey("a"), await newSigningKey("b")];
      return { keys: [{ ...one, d: other["d"] }] };
    },
    "keys.0 is not a key pair",
  ],
  [
    "an RSA key",
    async () => {
      const { privateKey } = await generateKeyPair("RS256", { extractable: true });
      return { keys: [{ ...(await exportJWK(privateKey)), kid: "a" }] };
    },
    "keys.0.kty must be EC",
  ],
])("refuses %s, in a sentence that shows no key", async (_, make, place) => {
  const document = await make();
  const sentence = sentenceOf(() => read(document));
  expect(sentence).toContain(place);
  expect(sentence).toMatch(/^The signing keys file \S+ .*ZT_SIGNING_JWKS_FILE\.$/u);
  for (const { d } of (document as { keys: { d?: string }[] }).keys) expect(sentence).not.toContain(d ?? "no key");
});

test("complains about a file that is opened to others later, though nothing in it has changed", async () => {
  const path = join(directory, "opened.jwks.json");
  writeFileSync(path, JSON.stringify({ keys: [await newSigningKey("a")] }), { mode: 0o600 });
  const complaints: string[] = [];
  const file = signingKeysFile(path, { onError: ({ message }) => void complaints.push(message) });
  file.reload();
  expect(complaints).toEqual([]);
  chmodSync(path, 0o644);
  file.reload();
  file.reload();
  expect(complaints).toEqual([expect.stringContaining("is open to others: chmod 600 it")]);
  expect(file.current().map(({ kid }) => kid)).toEqual(["a"]);
});

test("refuses more keys than verifiers would read", async () => {
  const key = await newSigningKey("a");
  const keys = Array.from({ length: 101 }, (_, at) => ({ ...key, kid: `${at}`.padStart(128, "k") }));
  expect(sentenceOf(() => read({ keys }))).toContain("keys must have 100 at most");
  expect(JSON.stringify(publicJwks(read({ keys: keys.slice(1) }))).length).toBeLessThan(64 * 1024);
});
