import { describe, expect, test } from "vitest";
import { isSecretName, redact, redactText } from "./redact.ts";

describe("redact", () => {
  test.each([
    "authorization",
    "Authorization",
    "x-api-key",
    "x-signature",
    "x-nonce",
    "secret",
    "clientSecret",
    "client_secret",
    "token",
    "access_token",
    "key",
    "password",
    "Set-Cookie",
    "privateKey",
  ])("takes %s for a secret", (name) => expect(isSecretName(name)).toBe(true));

  test.each(["keyId", "tokenId", "jti", "credentials", "credentialIds", "certificate", "monkey", "x-timestamp"])(
    "leaves %s alone",
    (name) => expect(isSecretName(name)).toBe(false),
  );

  test("replaces secrets at any depth, and in arrays", () => {
    expect(redact({ a: [{ token: "t", b: { "x-api-key": "k", keep: 1 } }] })).toEqual({
      a: [{ token: "[redacted]", b: { "x-api-key": "[redacted]", keep: 1 } }],
    });
  });

  test("keeps of an error its name, code, message and stack, not the request that hangs on it", () => {
    const error = Object.assign(new RangeError("out", { cause: new Error("Bearer abc.def") }), {
      code: 7,
      metadata: { a: "hidden" },
    });
    const copy = redact({ err: error });
    expect(copy).toMatchObject({
      err: { type: "RangeError", message: "out", code: 7, cause: { message: "[redacted]" } },
    });
    expect(JSON.stringify(copy)).not.toContain("hidden");
  });

  test("ends at a cycle", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    expect(JSON.stringify(redact(cycle))).toContain("[deep]");
  });

  test("keeps __proto__ a field", () => {
    const copy = redact(JSON.parse('{"__proto__":{"admin":true}}')) as { admin?: boolean };
    expect(copy.admin).toBeUndefined();
    expect(Object.keys(copy)).toEqual(["__proto__"]);
  });

  test("writes the length of bytes, not the bytes", () => {
    expect(redact(Buffer.from("secret"))).toBe("[6 bytes]");
  });

  test.each([
    ["an API key", "got sk-live-abc-0123456789_x today"],
    ["a signing secret", `got hs-${"A".repeat(43)} today`],
    ["a token", "got eyJhbGciOi.eyJpc3Mi.c2ln-_x today"],
    ["an authorization header", "got Basic cGFydG5lcjpzZWNyZXQ= today"],
  ])("replaces %s in a text", (_, text) => {
    expect(redactText(text)).toBe("got [redacted] today");
  });

  test.each(["BEARER read:orders", "MTLS+BEARER+HMAC write:payments", "MTLS+BEARER read:transactions"])(
    "leaves the rule of a decision readable: %s",
    (rule) => expect(redactText(rule)).toBe(rule),
  );

  test("replaces a private key in a text, also one that is cut off", () => {
    // Put together here, so that no scanner takes this file for one that holds a key.
    const line = (which: string, kind: string) => `-----${which} ${kind} KEY-----`;
    const whole = `${line("BEGIN", "EC PRIVATE")}\nMHc\n${line("END", "EC PRIVATE")}`;
    expect(redactText(`a ${whole} b`)).toBe("a [redacted] b");
    expect(redactText(`a ${line("BEGIN", "PRIVATE")}\nMHc`)).toBe("a [redacted]");
  });
});
