import type { Expected } from "../expected.ts";

/** Wycheproof's MACs. */
export const hmacSha256: Expected = {
  title: "HMAC: the verifier of signed requests",
  file: "hmac_sha256_test.json",
  source: "C2SP/wycheproof, testvectors_v1/",
  seen: ["1-174"],
  differences: [
    {
      ids: ["82-108", "166-168", "172-174"],
      ours: "refused: x-signature is malformed",
      reason: "A MAC cut to 128 bits: a signature is the whole of it, 64 digits.",
    },
    {
      ids: ["163-165"],
      ours: "refused: a secret that is too short, or none",
      reason: "A key of 128 bits: shorter than the hash is weaker than the signature looks (RFC 2104 section 3).",
    },
  ],
};
