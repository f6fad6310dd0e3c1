import type { Mutant } from "./mutant.ts";

const src = "packages/auth/src";
const server = `${src}/api-key/server.ts`;
const serverTests = [`${src}/api-key/server.test.ts`];

/** API keys, and what is common to them and signing keys. */
export const keyMutants: readonly Mutant[] = [
  {
    id: "api-key-checksum",
    opens: "typing errors are looked up as keys, and scanners take anything for one",
    file: `${src}/api-key/format.ts`,
    search: "return checksum(key.slice(0, -8)) === sum ? { mode, id } : undefined;",
    replace: 'return sum === "" ? undefined : { mode, id };',
    tests: [`${src}/api-key/format.test.ts`],
  },
  {
    id: "api-key-mode",
    opens: "a key for tests is good in production",
    file: server,
    search: "if (parsed.mode !== mode) return",
    replace: "if (parsed.mode === undefined) return",
    tests: serverTests,
  },
  {
    id: "api-key-secret",
    opens: "the public id of a key is enough",
    file: server,
    search: "return timingSafeEqual(known, digest) && secret !== undefined;",
    replace: "return secret !== undefined;",
    tests: serverTests,
  },
  {
    id: "api-key-secret-expired",
    opens: "the secret before a rotation is good for ever",
    file: server,
    search: "if (hasCome(secret.expiresAtMs, shown.nowMs)) return",
    replace: "if (hasCome(secret.expiresAtMs, 0)) return",
    tests: serverTests,
  },
  {
    id: "api-key-workload",
    opens: "a stolen key is good for every workload",
    file: server,
    search: "if (record.workloads !== undefined && !record.workloads.has(shown.spiffeId)) {",
    replace: "if (record.workloads !== undefined && record.workloads.size === 0) {",
    tests: serverTests,
  },
  {
    id: "key-revoked",
    opens: "a revoked key is good",
    file: `${src}/key-record.ts`,
    search: "if (hasCome(record.revokedAtMs, nowMs)) return",
    replace: "if (hasCome(record.revokedAtMs, 0)) return",
    tests: serverTests,
  },
  {
    id: "key-expired",
    opens: "an expired key is good",
    file: `${src}/key-record.ts`,
    search: "if (hasCome(record.expiresAtMs, nowMs)) return",
    replace: "if (hasCome(record.expiresAtMs, 0)) return",
    tests: serverTests,
  },
  {
    id: "key-audience",
    opens: "a key for one service is good at the others",
    file: `${src}/key-record.ts`,
    search: "if (record.audience !== audience) return",
    replace: 'if (record.audience === "") return',
    tests: serverTests,
  },
  {
    id: "signing-key-judged",
    opens: "a signing key that is revoked, expired or for another service is good",
    file: `${src}/hmac/server.ts`,
    search: `return judgeRecord(key, "signing key", audience, call.nowMs);`,
    replace: `return { verdict: "verified", client: key.client, scopes: key.scopes };`,
    tests: [`${src}/hmac/server.test.ts`],
  },
  {
    id: "key-source-of-another-id",
    opens: "a key source that mixes records up makes one client another",
    file: `${src}/key-record.ts`,
    search: `if (record.id !== id) return`,
    replace: `if (record.id === "") return`,
    tests: [...serverTests, `${src}/hmac/server.test.ts`],
  },
  {
    id: "broken-clock-expires-nothing",
    opens: "while the clock is broken, no key has expired",
    file: `${src}/key-record.ts`,
    search: "return atMs !== undefined && !(nowMs < atMs);",
    replace: "return atMs !== undefined && nowMs >= atMs;",
    tests: [...serverTests, `${src}/hmac/server.test.ts`],
  },
  {
    id: "secret-printed",
    opens: "secrets are in every log that prints an object",
    file: `${src}/secret.ts`,
    search: `  toJSON(): string {\n    return "[secret]";`,
    replace: "  toJSON(): string {\n    return this.#text;",
    tests: [`${src}/secret.test.ts`],
  },
  {
    id: "secret-file-open-to-others",
    opens: "whoever has an account on the machine reads the signing keys",
    file: `${src}/stores/reloading-file.ts`,
    search: "if (isSecret && (stat.mode & 0o077) !== 0)",
    replace: "if (isSecret && (stat.mode & 0o007) !== 0)",
    tests: [`${src}/stores/reloading-file.test.ts`, `${src}/stores/file.test.ts`],
  },
];
