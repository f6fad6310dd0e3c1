import { createHmac, randomBytes } from "node:crypto";

/** What is signed, and with which key: everything that an attacker may choose. */
export interface Signing {
  readonly keyId: string;
  readonly secret: string;
  readonly path: string;
  readonly message: Uint8Array;
  /** Unix seconds. Default: now. */
  readonly timestamp?: number | string;
  readonly nonce?: string;
}

/** The metadata of a signed request, made by hand from the page about the wire: not with the client that is shipped. */
export function signatureOf({ keyId, secret, path, message, ...rest }: Signing): Readonly<Record<string, string>> {
  const { timestamp = Math.floor(Date.now() / 1000), nonce = randomBytes(16).toString("hex") } = rest;
  const signature = createHmac("sha256", secret)
    .update(`POST\n${path}\n${timestamp}\n${nonce}\n`)
    .update(message)
    .digest("hex");
  return { "x-api-key": keyId, "x-timestamp": String(timestamp), "x-nonce": nonce, "x-signature": signature };
}
