import type { Expected } from "../expected.ts";

/** Wycheproof's key sets, most of them with something wrong. */
export const jsonWebKey: Expected = {
  title: "JWK: the reader of key sets",
  file: "json_web_key_test.json",
  source: "C2SP/wycheproof, testvectors_v1/",
  seen: ["1-26"],
  differences: [
    {
      ids: ["2", "13-15"],
      ours: "refused: the token's algorithm is none of its issuer's",
      reason: "HS256, HS384 and HS512: whoever can verify such a token can make one (RFC 8725 section 3.1).",
    },
  ],
};
