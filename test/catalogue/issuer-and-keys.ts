import type { Group } from "./row.ts";

/** The issuer and its keys: away, wrong, withdrawn, or somebody else's. */
export const issuerAndKeys: Group = {
  id: "I",
  title: "Issuer and its keys",
  rows: [
    {
      id: "I1",
      attack: "key server down, cache warm",
      expected: ["served"],
      alsoInContainers: ["UNAVAILABLE CHECK_UNAVAILABLE"],
      defences: ["packages/auth/src/bearer/polled-document.ts", "packages/auth/src/bearer/jwks.ts"],
      mutants: ["keys-forgotten-at-a-failure"],
    },
    {
      id: "I2",
      attack: "down at start",
      expected: ["UNAVAILABLE CHECK_UNAVAILABLE", "served"],
      defences: ["packages/auth/src/bearer/jwks.ts", "packages/auth/src/bearer/key-set.ts"],
      mutants: ["no-keys-is-no-such-key"],
    },
    {
      id: "I3",
      attack: "slow, endless, 1 GB, compressed bomb",
      expected: ["served", "survives"],
      defences: ["packages/auth/src/bearer/polled-document.ts", "packages/auth/src/bearer/request.ts"],
      mutants: ["key-set-of-any-size"],
    },
    {
      id: "I4",
      attack: "500; 429; a redirect; HTML; {}; no keys",
      expected: ["served"],
      defences: ["packages/auth/src/bearer/polled-document.ts", "packages/auth/src/bearer/published-keys.ts"],
      mutants: ["key-set-of-any-status"],
    },
    {
      id: "I5",
      attack: "a new kid appears; 1 000 unknown kids, server up and down",
      expected: ["served", "UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/bearer/polled-document.ts", "packages/auth/src/bearer/jwks.ts"],
      mutants: ["asked-for-every-unknown-key"],
    },
    {
      id: "I6",
      attack: "a key is withdrawn",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/bearer/polled-document.ts", "packages/auth/src/bearer/jwks.ts"],
      mutants: ["withdrawn-keys-stay"],
    },
    {
      id: "I7",
      attack: "key server with another TLS identity",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/mtls/src/https.ts", "packages/mtls/src/server-identity.ts"],
      mutants: ["another-server-of-the-ca"],
    },
    {
      id: "I8",
      attack: "token endpoint down, token still good; expired",
      expected: ["served", "refused by the client"],
      defences: ["packages/auth/src/bearer/held-token.ts", "packages/auth/src/call-credentials.ts"],
      mutants: ["expired-token-sent", "sent-without-credentials"],
    },
    {
      id: "I9",
      attack: "1 000 first calls at once",
      expected: ["served"],
      defences: ["packages/auth/src/bearer/held-token.ts"],
      mutants: ["token-for-each-call"],
    },
    {
      id: "I10",
      attack: "server refuses every fresh token",
      expected: ["UNAUTHENTICATED CREDENTIAL_INVALID"],
      defences: ["packages/auth/src/bearer/held-token.ts"],
      mutants: ["refused-token-always-replaced"],
    },
  ],
};
