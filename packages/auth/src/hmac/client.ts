import { createHmac, randomBytes } from "node:crypto";
import { Credential } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import type { Presenter } from "../presenter.ts";
import { signingSecret } from "./keys.ts";
import { hmacGrammar, signedHead } from "./string-to-sign.ts";

/** What the client side of signatures needs. */
export interface HmacOptions {
  /** `hk-…` */
  readonly keyId: string;
  /** `hs-…` */
  readonly secret: string;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/**
 * Signs each attempt at a call with HMAC-SHA256 (RFC 2104): a fresh time and nonce, and the very bytes of the message.
 *
 * A signature covers one request message, so it goes with unary and server-streaming methods.
 *
 * @param options - key id and secret
 * @throws TypeError when either is malformed; they are not repeated
 */
export function hmac({ keyId, secret, now = Date.now }: HmacOptions): Presenter {
  const key = signingSecret(secret);
  if (!hmacGrammar["x-api-key"].test(keyId)) throw new TypeError("A signing key id is hk- and 8 to 32 of a-z0-9.");
  return {
    credential: Credential.HMAC,
    metadataKeys: Object.keys(hmacGrammar),
    async present({ path, message }) {
      const bytes = await message();
      const timestamp = String(Math.floor(now() / 1000));
      const nonce = randomBytes(16).toString("hex");
      const mac = createHmac("sha256", key).update(signedHead({ path, timestamp, nonce })).update(bytes);
      return { "x-api-key": keyId, "x-timestamp": timestamp, "x-nonce": nonce, "x-signature": mac.digest("hex") };
    },
  };
}
