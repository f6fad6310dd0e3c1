import { describe, expect, test } from "vitest";
import { type DecisionEvent, printable } from "./decision-event.ts";
import { Secret } from "./secret.ts";

const event = (method: DecisionEvent["method"]): DecisionEvent => ({
  time: new Date(0),
  method,
  outcome: "refused",
  credentials: [],
  credentialIds: [method],
  latencyMs: 1,
});

describe("printable", () => {
  test.each<[string, string]>([
    ["line feeds", 'x"}\n{"outcome":"allowed"}\r\n'],
    ["terminal escapes", "\u001b]0;title\u0007\u001b[2J\u009b31m"],
    ["JSON", '","outcome":"allowed","x":"'],
    ["line and paragraph separators", "a\u2028b\u2029c\u0085d"],
    ["lone surrogates", "\ud800 and \udfff"],
    ["directions and what has no width", "\u202eevil\u200b\ufeff"],
    ["NUL and DEL", "\u0000\u007f"],
    ["very long values", "x".repeat(1_000_000)],
    ["surrogates at the cut", `${"x".repeat(255)}😀😀`],
  ])("makes %s one well-formed record", (_name, text) => {
    const line = JSON.stringify(event(printable(text)));
    expect(line).toMatch(/^[\x20-\x7e]{1,1000}$/);
    expect(JSON.parse(line)).toMatchObject({ outcome: "refused", method: printable(text) });
    expect(printable(text).length).toBeLessThanOrEqual(259);
  });
  test.each([
    ["an API key", "sk-live-abcdefghijkl-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh80123abcd"],
    ["a signing secret", "hs-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"],
    ["a token", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzdG9yZWZyb250In0.c2lnbmF0dXJl"],
    ["a token that is too long", `eyJhbGciOiJFUzI1NiJ9${"x".repeat(1_000)}`],
    ["the value of an authorization header", "Basic cGFydG5lcjpzZWNyZXQ="],
    ["that of a token of anybody's", "bearer 0123456789abcdef"],
    ["a private key", `-----${"BEGIN"} EC PRIVATE KEY-----?MHcCAQEE?-----${"END"} EC PRIVATE KEY-----`],
  ])("takes %s out, wherever it was put", (_name, secret) => {
    expect(printable(`/payment.v1.PaymentService/${secret}`)).toMatch(
      /^\/payment\.v1\.PaymentService\/\[redacted\](?:\.\.\.)?$/,
    );
  });
  test("leaves harmless text as it is", () => {
    const text = "/payment.v1.PaymentService/GetPayment";
    expect(printable(text)).toBe(text);
  });
});

describe("a decision event", () => {
  test("does not compile with text that was not made printable", () => {
    const raw = "\n";
    // @ts-expect-error raw text
    const bad: DecisionEvent = event(raw);
    // @ts-expect-error raw text among the ids
    const alsoBad: DecisionEvent = { ...event(printable("")), credentialIds: [raw] };
    expect([bad.method, alsoBad.credentialIds]).toEqual([raw, [raw]]);
  });
  test("does not compile with a secret, which shows nothing all the same", () => {
    const secret = new Secret("hs-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    // @ts-expect-error a secret
    const bad: DecisionEvent = { ...event(printable("")), cause: secret };
    // @ts-expect-error a secret is no text
    expect(() => printable(secret)).toThrow(TypeError);
    expect(JSON.stringify(bad)).not.toContain("AAEC");
  });
});
