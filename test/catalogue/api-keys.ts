import type { Group } from "./row.ts";

/** . */
export const apiKeys: Group = {
  id: "K",
  title: "API keys",
  rows: [
    {
      id: "K1",
      attack: "none; empty; malformed; bad checksum",
      expected: ["UNAUTHENTICATED CREDENTIAL_MISSING", "UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/api-key/format.ts", "packages/auth/src/api-key/server.ts"],
      mutants: ["api-key-checksum"],
    },
    {
      id: "K2",
      attack: "unknown id; right id and wrong secret; revoked; expired",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/api-key/server.ts", "packages/auth/src/key-record.ts"],
      mutants: ["api-key-secret", "key-revoked", "key-expired"],
    },
    {
      id: "K3",
      attack: "sk-test against live",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/api-key/server.ts"],
      mutants: ["api-key-mode"],
    },
    {
      id: "K4",
      attack: "right key, workload it is not for",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/api-key/server.ts", "packages/auth/src/key-record.ts"],
      mutants: ["api-key-workload", "key-audience"],
    },
    {
      id: "K5",
      attack: "right key, scope missing",
      expected: ["PERMISSION_DENIED SCOPE_MISSING"],
      defences: ["packages/auth/src/decision.ts"],
      mutants: ["any-scope-is-enough"],
    },
    {
      id: "K6",
      attack: "two keys in one call",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/verifier.ts", "packages/auth/src/api-key/server.ts"],
      mutants: ["api-key-first-of-several"],
    },
    {
      id: "K7",
      attack: "the key file is read by a thief",
      expected: ["none found", "UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/api-key/format.ts", "packages/auth/src/stores/sealed-keys.ts"],
      mutants: ["api-key-kept-whole"],
    },
    {
      id: "K8",
      attack: "revoked while a stream is open",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/running-call.ts", "packages/auth/src/api-key/server.ts"],
      mutants: ["api-key-not-judged-again"],
    },
    {
      id: "K9",
      attack: "guessing: 10 000 wrong keys from one workload",
      expected: ["RESOURCE_EXHAUSTED RATE_LIMITED", "survives"],
      defences: ["packages/auth/src/attempt.ts", "packages/auth/src/limits/limiter.ts"],
      mutants: ["guesses-without-limit", "guesses-answered-when-limited"],
    },
    {
      id: "K10",
      attack: "key store unreadable",
      expected: [
        "served",
        "does not start",
        "UNAVAILABLE",
        "UNAVAILABLE CHECK_UNAVAILABLE",
        "UNAUTHENTICATED CREDENTIAL_INVALID",
      ],
      defences: [
        "packages/auth/src/stores/reloading-file.ts",
        "packages/auth/src/presented-credentials.ts",
        "packages/auth/src/decision.ts",
      ],
      mutants: ["verifier-fails-open"],
    },
    {
      id: "K11",
      attack: "rotation: old and new secret both, then old retired",
      expected: ["served", "UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/api-key/server.ts", "infra/src/keys/api-keys.ts"],
      mutants: ["api-key-secret-expired"],
    },
    {
      id: "K12",
      attack: "unknown id against wrong secret",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/api-key/server.ts"],
      mutants: ["api-key-unknown-told-apart"],
    },
  ],
};
