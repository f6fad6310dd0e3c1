import { expect, test } from "vitest";
import { checkClaims, type ExpectedClaims, type TokenClaims } from "./token-claims.ts";

const now = 1_795_000_000;
const claims: TokenClaims = {
  iss: "https://issuer",
  aud: "https://order",
  exp: now + 200,
  iat: now,
  nbf: undefined,
  jti: "one",
  client: "storefront",
  scopes: new Set(),
  thumbprint: "of-the-caller",
};
const expected: ExpectedClaims = {
  issuer: "https://issuer",
  audience: "https://order",
  maxLifetimeSeconds: 300,
  clockSkewSeconds: 5,
  certificateBound: "required",
};
const check = (changes: Partial<TokenClaims>) => () =>
  checkClaims({ ...claims, ...changes }, expected, "of-the-caller", now * 1000);

test("a token from the future is none, whatever it says of when it is good", () => {
  expect(check({})).not.toThrow();
  expect(check({ iat: now + 5, nbf: now })).not.toThrow();
  expect(check({ iat: now + 6, nbf: now })).toThrow("from the future");
  expect(check({ iat: now, nbf: now + 6 })).toThrow("not good yet");
});
