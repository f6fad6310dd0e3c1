import { expect, test } from "vitest";
import { headerOf, jsonObject, tokenIn } from "./token-format.ts";

const encode = (text: string | Buffer) => Buffer.from(text as string).toString("base64url");
const token = (header: string | Buffer) => `${encode(header)}.${encode("{}")}.AAAA`;

test("finds the token, and decodes nothing of it", () => {
  expect(tokenIn("Bearer _.-.A")).toBe("_.-.A");
});
test.each(["\t", "\n", "\r\n", "\0", " ", "\u2028", "é", "=", "+", "/", "%41"])(
  "B7 refuses a token with %j anywhere",
  (bad) => {
    for (const value of [`Bearer ${bad}a.b.c`, `Bearer a${bad}.b.c`, `Bearer a.b${bad}.c`, `Bearer a.b.c${bad}`]) {
      expect(() => tokenIn(value)).toThrow(/not one token/);
    }
  },
);
test("B16 takes a token of 8 KiB, and none of a byte more", () => {
  const value = `Bearer a.b.${"c".repeat(8 * 1024 - 11)}`;
  expect(tokenIn(value)).toBe(value.slice(7));
  expect(() => tokenIn(`${value}c`)).toThrow(/too large/);
});
test("refuses an algorithm that is not the issuer's, in whatever way it is written", () => {
  const header = (alg: unknown) => token(JSON.stringify({ alg, typ: "at+jwt", kid: "a" }));
  expect(headerOf(header("RS256"), ["RS256", "ES256"])).toEqual({ alg: "RS256", kid: "a" });
  for (const alg of ["none", "None", "NONE", "nOnE", "HS256", "es256", "ES256 ", "EdDSA", "", null, ["ES256"], 0, {}]) {
    expect(() => headerOf(header(alg), ["ES256"])).toThrow(/algorithm/);
  }
});
test("P12 reads what the header itself says, of two members the last, and nothing that it inherits", () => {
  const twice = token('{"alg":"none","typ":"at+jwt","kid":"x","alg":"ES256","kid":"y"}');
  expect(headerOf(twice, ["ES256"])).toEqual({ alg: "ES256", kid: "y" });
  expect(() => headerOf(token('{"__proto__":{"alg":"ES256","typ":"at+jwt","kid":"a"}}'), ["ES256"])).toThrow(
    /not an access token/,
  );
});
test.each([
  ["not JSON", "{"],
  ["JSON after a byte order mark", "\uFEFF{}"],
  ["a list", "[]"],
  ["null", "null"],
  ["a text", '"{}"'],
  ["not UTF-8", Buffer.from('{"a":"\xff"}', "latin1")],
])("refuses a part that is %s", (_name, text) => {
  expect(() => jsonObject(Buffer.from(text as string), "payload")).toThrow(/the token's payload is not/);
});
