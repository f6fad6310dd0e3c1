import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { hmac, type OwnSigningKey } from "./client.ts";
import { newSigningKey } from "./keys.ts";
import { signedHead } from "./string-to-sign.ts";

const path = "/ping.v1.Ping/Say";
const message = Buffer.from("message");

function newKey(): OwnSigningKey {
  const { id, secret } = newSigningKey();
  return { keyId: id, secret: secret.expose() };
}

/** Whether a signature is that of a key, by both its id and its secret. */
async function signsWith(signer: ReturnType<typeof hmac>, { keyId, secret }: OwnSigningKey): Promise<boolean> {
  const presented = await signer.present({ path, message: async () => message });
  const { "x-timestamp": timestamp = "", "x-nonce": nonce = "" } = presented;
  const mac = createHmac("sha256", String(secret)).update(signedHead({ path, timestamp, nonce })).update(message);
  return presented["x-api-key"] === keyId && presented["x-signature"] === mac.digest("hex");
}

test("a key that changes is used from the next attempt on, its id with its secret", async () => {
  const [old, fresh] = [newKey(), newKey()];
  let current = old;
  const signer = hmac({ key: () => current });
  expect(await signsWith(signer, old)).toBe(true);
  current = fresh;
  expect(await signsWith(signer, fresh)).toBe(true);
});

test("refuses a malformed key at once, and one that becomes so when it is used; neither is repeated", async () => {
  expect(() => hmac({ key: () => ({ ...newKey(), secret: "hunter2" }) })).toThrow(TypeError);
  let current = newKey();
  const signer = hmac({ key: () => current });
  current = { ...newKey(), keyId: "sk-oops" };
  const signed = async () => await signer.present({ path, message: () => message });
  const refused = await signed().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(TypeError);
  expect(String(refused)).not.toContain("oops");
});
