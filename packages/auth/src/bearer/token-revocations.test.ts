import { describe, expect, test } from "vitest";
import { parseRevocations } from "./token-revocations.ts";

const token = { jti: "9f6f9c9e-7a52-4d53-a0a4-2a2b4a6a3d3b", exp: 1_795_000_000 };
const client = { client_id: "partner", before: 1_795_000_000 };
const list = (changes: object = {}) => ({ tokens: [token], clients: [client], ...changes });

test("reads tokens by their id, and clients with the latest of their times", () => {
  const { tokens, clients } = parseRevocations(list({ clients: [client, { ...client, before: 1 }] }));
  expect(tokens).toEqual(new Set([token.jti]));
  expect(clients).toEqual(new Map([["partner", 1_795_000_000]]));
});
test("reads a list of nothing", () => {
  expect(parseRevocations({ tokens: [], clients: [] })).toEqual({ tokens: new Set(), clients: new Map() });
});

describe("takes a list whole or not at all: refuses", () => {
  test.each([
    ["null", null, /not an object/],
    ["a list", [], /not an object/],
    ["a text", "tokens", /not an object/],
    ["an empty object", {}, /no list "tokens"/],
    ["no tokens", list({ tokens: undefined }), /no list "tokens"/],
    ["no clients", list({ clients: undefined }), /no list "clients"/],
    ["tokens by name", list({ tokens: { a: token } }), /no list "tokens"/],
    ["what it does not know", list({ keys: [] }), /unknown key "keys"/],
    ["__proto__", JSON.parse('{"tokens":[],"clients":[],"__proto__":{}}'), /unknown key "__proto__"/],
    ["a token that is a text", list({ tokens: [token.jti] }), /tokens\[0\] is not an object/],
    ["a token without an id", list({ tokens: [token, { exp: 1 }] }), /tokens\[1\] has no text "jti"/],
    ["a token with an empty id", list({ tokens: [{ ...token, jti: "" }] }), /not of its form/],
    ["a token with a long id", list({ tokens: [{ ...token, jti: "j".repeat(257) }] }), /not of its form/],
    ["a token with a line for an id", list({ tokens: [{ ...token, jti: "a\n" }] }), /not of its form/],
    ["a token without an end", list({ tokens: [{ jti: "a" }] }), /tokens\[0\].exp is no time/],
    ["a token for a client", list({ tokens: [{ ...token, client_id: "a" }] }), /unknown key "client_id"/],
    ["a client without a name", list({ clients: [{ before: 1 }] }), /clients\[0\] has no text "client_id"/],
    ["a client that is none", list({ clients: [{ ...client, client_id: "__proto__" }] }), /not of its form/],
    ["a client without a time", list({ clients: [{ client_id: "a" }] }), /clients\[0\].before is no time/],
    ["a client for a token", list({ clients: [{ ...client, jti: "a" }] }), /unknown key "jti"/],
    ...["1795000000", null, -1, 1.5, 1e300, Number.POSITIVE_INFINITY, [], true].map(
      (before) => [`the time ${String(before)}`, list({ clients: [{ ...client, before }] }), /is no time/] as const,
    ),
  ] as [string, unknown, RegExp][])("%s", (_name, json, why) => {
    expect(() => parseRevocations(json)).toThrow(why);
  });
});
