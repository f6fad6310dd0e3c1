import type { Expected } from "../expected.ts";

/** Wycheproof's tokens, most of them with something wrong. */
export const jsonWebSignature: Expected = {
  title: "JWS: the verifier of tokens",
  file: "json_web_signature_test.json",
  source: "C2SP/wycheproof, testvectors_v1/",
  seen: ["1-47", "59", "64", "327", "332", "338", "341-384", "386-401"],
  differences: [
    {
      ids: ["1", "348", "352", "357-359", "376-377"],
      ours: "refused: the token's algorithm is none of its issuer's",
      reason:
        "HS256: whoever can verify such a token can make one, so that a service could speak for the issuer (RFC 8725 section 3.1).",
    },
    {
      ids: ["327", "347", "351"],
      ours: "refused: the token's algorithm is none of its issuer's",
      reason:
        "PS512 and ES512: one algorithm for each type of key, and PS256 and RS256 for RSA, are what an issuer needs.",
    },
    {
      ids: ["346", "350"],
      ours: "refused: the token's algorithm is none of its issuer's",
      reason:
        "A PS384 token under a key that says PS256: the key is good for its own algorithm alone (RFC 7517 section 4.4), and PS384 is none of ours.",
    },
    {
      ids: ["345", "349"],
      ours: "refused: the token's kid is missing or malformed",
      reason:
        "RFC 7520's kid holds an @: a kid is anybody's text until the signature is verified, and goes to a log; ours are letters, digits, dot, hyphen and underscore.",
    },
    {
      ids: ["372-373"],
      ours: "refused: authorization is not one token by the scheme Bearer",
      reason:
        "A question mark within base64url, and a MAC over the text without it: the file says valid, its comment says invalid, and RFC 7515 section 2 allows no such character.",
    },
  ],
};
