import { createHmac, type KeyObject } from "node:crypto";
import { Credential } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import type { Presenter } from "../presenter.ts";
import type { Secret } from "../secret.ts";
import { withAnswer } from "../with-answer.ts";
import { correctedClock } from "./clock-correction.ts";
import { signingSecret } from "./keys.ts";
import { newNonce } from "./new-nonce.ts";
import { hmacGrammar, hmacKeys, signedHead } from "./string-to-sign.ts";

/** The key that a client signs with: an id and a secret that belong together, and change together. */
export interface OwnSigningKey {
  /** `hk-…` */
  readonly keyId: string;
  /** `hs-…` */
  readonly secret: string | Secret;
}

/** What the client side of signatures needs: a key, or where the one of now is to be had. */
export type HmacOptions = SignerOptions & (OwnSigningKey | { readonly key: () => OwnSigningKey });

interface SignerOptions {
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
  /** Hears, for a log, by how many seconds a server's clock is ahead of ours, when signatures begin to follow it. */
  readonly onClockCorrected?: (offsetSeconds: number) => void;
}

/**
 * Signs each attempt at a call with HMAC-SHA256 (RFC 2104): a fresh time and nonce, and the very bytes of the message.
 *
 * A signature covers one request message, so it goes with unary and server-streaming methods. A server that refuses our
 * timestamp tells its own time: where that is within a day of ours, signatures follow it from then on, and a unary or
 * server-streaming call is made once more by itself.
 *
 * @param options - key id and secret; or `key`, which is asked for them at each attempt, so that they can be rotated
 * @throws TypeError when either is malformed; they are not repeated
 * @example
 * ```ts
 * import { type AuthenticatedChannels, connect, hmac, type Secret } from "@zero-trust/auth/client";
 * import type { MutualTlsChannels } from "@zero-trust/mtls";
 *
 * export function signing(channels: MutualTlsChannels, keyId: string, secret: Secret): AuthenticatedChannels {
 *   const onClockCorrected = (seconds: number) => console.warn(`Our clock is ${seconds} s behind the server's.`);
 *   return connect({ channels, credentials: [hmac({ keyId, secret, onClockCorrected })] });
 * }
 * ```
 * @example
 * ```ts
 * import { hmac, type Presenter } from "@zero-trust/auth/client";
 * import { ownSigningKeyFile } from "@zero-trust/auth/stores/file";
 *
 * // `{"id":"hk-…","secret":"hs-…"}`: a new version of the file is the rotation.
 * const file = ownSigningKeyFile("/run/secrets/signing-key.json");
 * export const signer: Presenter = hmac({ key: file.current });
 * ```
 */
export function hmac(options: HmacOptions): Presenter {
  const { now = Date.now, onClockCorrected = () => undefined } = options;
  const keyOfNow = usable("key" in options ? options.key : () => options);
  keyOfNow();
  const clock = correctedClock(now, onClockCorrected);
  return {
    credential: Credential.HMAC,
    metadataKeys: hmacKeys,
    present: ({ path, message }) =>
      withAnswer(message(), (bytes) => {
        const { keyId, key } = keyOfNow();
        const timestamp = String(clock.seconds());
        const nonce = newNonce();
        const mac = createHmac("sha256", key).update(signedHead({ path, timestamp, nonce })).update(bytes);
        return { "x-api-key": keyId, "x-timestamp": timestamp, "x-nonce": nonce, "x-signature": mac.digest("hex") };
      }),
    refused({ reason, serverTimeSeconds, presented }) {
      if (reason !== "CREDENTIAL_EXPIRED" || serverTimeSeconds === undefined) return false;
      return clock.refused(Number(presented["x-timestamp"]), serverTimeSeconds);
    },
  };
}

/** Gives the key in the form that signs, which is made once for each that it is given. */
function usable(given: () => OwnSigningKey): () => { readonly keyId: string; readonly key: KeyObject } {
  let made: { readonly of: OwnSigningKey; readonly keyId: string; readonly key: KeyObject } | undefined;
  return () => {
    const own = given();
    if (made?.of !== own) {
      const { keyId, secret } = own;
      const key = signingSecret(secret);
      if (!hmacGrammar["x-api-key"].test(keyId)) throw new TypeError("A signing key id is hk- and 8 to 32 of a-z0-9.");
      made = { of: own, keyId, key };
    }
    return made;
  };
}
