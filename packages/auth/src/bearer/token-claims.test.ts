import { expect, test } from "vitest";
import { claimsOf } from "./token-claims.ts";

const bytes = (json: string) => Buffer.from(json);
const good = '"iss":"i","aud":"a","sub":"s","client_id":"c","jti":"j"';

test("keeps what calls are judged by, and nothing else of a token", () => {
  const cnf = `"cnf":{"x5t#S256":"${"A".repeat(43)}"}`;
  const claims = claimsOf(bytes(`{${good},"iat":1,"exp":2.5,${cnf},"scope":"a  b a","padding":"p"}`));
  expect(claims).toEqual({
    iss: "i",
    aud: "a",
    exp: 2.5,
    iat: 1,
    nbf: undefined,
    jti: "j",
    client: "c",
    scopes: new Set(["a", "b"]),
    thumbprint: "A".repeat(43),
  });
});
test.each(["exp", "iat", "nbf"])("takes no %s that JSON can write and no clock can show", (name) => {
  const times = { iat: "1", exp: "2", nbf: "1" };
  const claims = (value: string) =>
    Object.entries({ ...times, [name]: value })
      .map(([key, time]) => `${JSON.stringify(key)}:${time}`)
      .join();
  for (const value of ["1e999", "-1e999", '"1"', "null", "true", "[1]", "{}"]) {
    expect(() => claimsOf(bytes(`{${good},${claims(value)}}`))).toThrow(/is missing or no time/);
  }
  expect(claimsOf(bytes(`{${good},${claims("1e3")}}`))).toMatchObject({ [name]: 1000 });
});
test("P12 reads no claim that it inherits", () => {
  expect(() => claimsOf(bytes(`{"__proto__":{${good},"iat":1,"exp":2}}`))).toThrow(/sub is missing/);
  expect(claimsOf(bytes(`{${good},"iat":1,"exp":2,"__proto__":{"scope":"admin","cnf":{}}}`))).toMatchObject({
    scopes: new Set(),
    thumbprint: undefined,
  });
});
