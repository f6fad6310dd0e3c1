import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

// Written from the contract alone: nothing of ../../src, which is held against it.

/** A key, and what a server has on record of it. */
export interface RecordedKey {
  readonly id: string;
  readonly audience: string;
  readonly revoked?: boolean;
  readonly note: string;
  readonly key: string;
  readonly checksum: string;
  readonly sha256: string;
}

/** A key, and what a server that takes keys of `mode` makes of it. */
export interface PresentedKey {
  readonly name: string;
  readonly key: string;
  /** Whether pattern and checksum are right, which anybody can see without a server. */
  readonly wellFormed: boolean;
  /** The server's. */
  readonly mode: "live" | "test";
  readonly code: string;
  readonly reason?: string;
}

const checksum = (text: string) => crc32(text).toString(16).padStart(8, "0");
const sha256 = (text: string) => createHash("sha256").update(text, "ascii").digest("hex");
const secretFrom = (first: number) =>
  Buffer.from(Array.from({ length: 32 }, (_, at) => (first + at) % 256)).toString("base64url");
const keyOf = (id: string, secret: string) => {
  const body = `sk-test-${id}-${secret}`;
  return body + checksum(body);
};
const audience = "https://order.production.internal";

const ids = { main: "vector000000", other: "0123456789ab", elsewhere: "elsewhere000", retired: "retired00000" };
const good = keyOf(ids.main, secretFrom(0));
const records = [
  { id: ids.main, secret: secretFrom(0), audience, note: "the bytes 00 to 1f" },
  { id: ids.other, secret: secretFrom(224), audience, note: "the bytes e0 to ff, with both signs of base64url" },
  {
    id: ids.elsewhere,
    secret: secretFrom(64),
    audience: "https://payment.production.internal",
    note: "40 to 5f; good for another service",
  },
  { id: ids.retired, secret: secretFrom(96), audience, revoked: true, note: "60 to 7f; revoked" },
].map(({ secret, ...record }) => {
  const key = keyOf(record.id, secret);
  return { ...record, key, checksum: key.slice(-8), sha256: sha256(key) };
});

const served = (name: string, key: string): PresentedKey => ({
  name,
  key,
  wellFormed: true,
  mode: "test",
  code: "OK",
});
const refused = (name: string, key: string, mode: "live" | "test" = "test"): PresentedKey => ({
  ...served(name, key),
  mode,
  code: "UNAUTHENTICATED",
  reason: "CREDENTIAL_INVALID",
});
const malformed = (name: string, key: string): PresentedKey => ({ ...refused(name, key), wellFormed: false });
const flipped = (at: number, to: string) => good.slice(0, at) + to + good.slice(at + 1);

/** What docs/vectors/api-key.json says. */
export const apiKeyVectors: {
  readonly what: string;
  readonly pattern: string;
  readonly checksum: string;
  readonly sha256: string;
  readonly audience: string;
  readonly records: readonly RecordedKey[];
  readonly presented: readonly PresentedKey[];
} = {
  what: "API keys, and what a server makes of them; README.md explains.",
  pattern: "^sk-(live|test)-([a-z0-9]{12})-([A-Za-z0-9_-]{43})([0-9a-f]{8})$",
  checksum: "CRC-32, as in zlib, of the ASCII bytes of all before it, in eight lower-case hexadecimal digits",
  sha256: "of the ASCII bytes of the whole key, in lower-case hexadecimal digits",
  audience,
  records,
  presented: [
    served("a good key", good),
    served("another good key", keyOf(ids.other, secretFrom(224))),
    refused("a key of the other mode", good, "live"),
    refused("an unknown id", keyOf("nobody000000", secretFrom(0))),
    refused("a known id with another secret", keyOf(ids.main, secretFrom(1))),
    refused("a key for another service", keyOf(ids.elsewhere, secretFrom(64))),
    refused("a key that is revoked", keyOf(ids.retired, secretFrom(96))),
    malformed("a letter of the id mistyped", flipped(8, "w")),
    malformed("a letter of the secret mistyped", flipped(30, "_")),
    malformed("a digit of the checksum mistyped", flipped(good.length - 1, good.endsWith("0") ? "1" : "0")),
    malformed("an upper-case checksum", good.slice(0, -8) + good.slice(-8).toUpperCase()),
    malformed("the checksum left out", good.slice(0, -8)),
    malformed("the checksum of the secret alone", good.slice(0, -8) + checksum(secretFrom(0))),
    malformed("a key that was cut off", good.slice(0, -1)),
    malformed("a key with something behind it", `${good}0`),
    malformed("a secret of 44 characters, with its checksum", keyOf(ids.main, `${secretFrom(0)}A`)),
    malformed("an id in upper case, with its checksum", keyOf(ids.main.toUpperCase(), secretFrom(0))),
    malformed("two keys", `${good}, ${good}`),
    malformed("the id of a signing key", "hk-vector00"),
  ],
};
