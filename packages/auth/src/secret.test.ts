import { format, inspect } from "node:util";
import { expect, test } from "vitest";
import { newApiKey, newKeyEncryptionKey, newSigningKey } from "./issue.ts";
import { exposed, Secret } from "./secret.ts";

const secret = new Secret("canary");

test.each([
  ["a template", () => `${secret.toString()} ${[secret].join(" ")}`],
  ["a sum", () => `a${String(secret)}`],
  ["JSON", () => JSON.stringify({ secret, deep: [secret] })],
  ["util.inspect", () => inspect({ secret }, { depth: 9, showHidden: true })],
  ["console.log", () => format("%s %o %j", secret, secret, secret)],
  ["its own keys", () => JSON.stringify([Object.entries(secret), Object.assign({}, secret), Reflect.ownKeys(secret)])],
  ["a copy", () => inspect(structuredClone(secret))],
  ["an error", () => String(new Error(`no good: ${String(secret)}`))],
])("%s does not print it", (_name, print) => {
  expect(print()).not.toContain("canary");
});
test("gives its text to whoever asks for it by name", () => {
  expect([secret.expose(), exposed(secret), exposed("plain")]).toEqual(["canary", "canary", "plain"]);
});
test.each(["", undefined, 7])("refuses %j", (text) => {
  expect(() => new Secret(text as string)).toThrow(TypeError);
});
test("what is issued does not print", () => {
  const [key, signing, keyEncryptionKey] = [newApiKey("live"), newSigningKey(), newKeyEncryptionKey()];
  const printed = inspect({ key, signing, keyEncryptionKey }) + JSON.stringify({ key, signing, keyEncryptionKey });
  for (const issued of [key.key, signing.secret, keyEncryptionKey]) expect(printed).not.toContain(issued.expose());
});
