import { createSecretKey, hash } from "node:crypto";
import type { Metadata } from "@grpc/grpc-js";
import type { Finding } from "../decision.ts";
import { Credential, Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { judgeRecord, soundRecord } from "../key-record.ts";
import { invalid, type SignatureVerification, type SignatureVerifier, singleValue } from "../verifier.ts";
import { type Answer, withAnswer } from "../with-answer.ts";
import { faultOfSigningKey, type KeySource, type SigningKey } from "./keys.ts";
import { isMacOf } from "./mac.ts";
import { type NonceStore, type NonceVerdict, type NonceWindow, windowOf } from "./nonces.ts";
import { hmacGrammar, hmacKeys, signedHead } from "./string-to-sign.ts";

/** What the server side of signatures needs. */
export interface HmacOptions extends NonceWindow {
  readonly keys: KeySource;
  readonly nonces: NonceStore;
  /** This service, as the key records name it: `https://payment.production.internal`. */
  readonly audience: string;
}

/** A key that nobody holds: signatures of unknown keys are checked against it, so that they cost the same. */
const nobody = createSecretKey(Buffer.alloc(46));

/** What nothing but a signature has. */
const ofSignatures = ["x-timestamp", "x-nonce", "x-signature"];

/** What a signature consists of. */
interface Parts {
  readonly id: string;
  readonly timestamp: string;
  readonly nonce: string;
  readonly signature: string;
}

/**
 * Verifies HMAC-SHA256 signatures over method, time, nonce and the very bytes of the message (RFC 2104), in the order in
 * which each step is cheaper and trusts less than the next: grammar, time window, key, signature, nonce.
 *
 * @param options - keys, nonces, which service this is, and the window of timestamps
 * @throws TypeError when the window is not one, or the nonce store remembers for less
 * @example
 * ```ts
 * import { hmac, memoryNonceStore } from "@zero-trust/auth/server";
 * import { signingKeyFile } from "@zero-trust/auth/stores/file";
 *
 * const verifier = hmac({
 *   keys: signingKeyFile({ path: "signing-keys.json", keyEncryptionKeyPath: "key-encryption-key" }),
 *   nonces: memoryNonceStore(),
 *   audience: "https://payment.production.internal",
 * });
 * ```
 */
export function hmac(options: HmacOptions): SignatureVerifier {
  const { keys, nonces, audience } = options;
  const { pastSeconds, futureSeconds } = windowOf(options);
  const remembered = nonces.window ?? { pastSeconds, futureSeconds };
  if (!(remembered.pastSeconds >= pastSeconds && remembered.futureSeconds >= futureSeconds)) {
    throw new TypeError(
      "The nonce store remembers for less than the window of hmac(): what it forgot could be replayed.",
    );
  }
  const find = <T>(id: string, judge: (key: SigningKey | undefined) => T): Answer<T> =>
    withAnswer(keys.find(id), (found) => judge(soundRecord(found, id, faultOfSigningKey)));
  /** Undefined for a timestamp in the window, both ends of which are in it. */
  const outside = (timestampSeconds: number, nowSeconds: number): Finding | undefined => {
    const ageSeconds = nowSeconds - timestampSeconds;
    if (ageSeconds <= pastSeconds && ageSeconds >= -futureSeconds) return undefined;
    const cause = `the timestamp is ${-ageSeconds} s away`;
    return { verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED, cause };
  };
  return {
    credential: Credential.HMAC,
    metadataKeys: hmacKeys,
    isPresented(metadata, named) {
      const signed = ofSignatures.some((key) => metadata.get(key).length > 0);
      if (signed || metadata.get("x-api-key").length === 0) return signed;
      // A key alone is an incomplete signature, unless a rule takes API keys and it says that it is one.
      return !named.has(Credential.API_KEY) || !(singleValue(metadata, "x-api-key") ?? "").startsWith("sk-");
    },
    open(metadata, call) {
      const parts = parse(metadata);
      if (typeof parts === "string") return { finding: invalid(parts) };
      const { id } = parts;
      const timestampSeconds = Number(parts.timestamp);
      const finding = outside(timestampSeconds, Math.floor(call.nowMs / 1000));
      if (finding !== undefined) return { id, finding };
      const claim = (nowMs = call.nowMs): Answer<Finding | undefined> => {
        // The message may have come much later than its signature: by then the store may have forgotten its nonce.
        const nowSeconds = Math.floor(nowMs / 1000);
        const late = outside(timestampSeconds, nowSeconds);
        if (late !== undefined) return late;
        const nonce = hash("sha256", `${id}\n${parts.nonce}`, "base64url");
        return withAnswer(nonces.claim({ keyId: id, hash: nonce, timestampSeconds, nowSeconds }), findingOfClaim);
      };
      const opened = (key: SigningKey | undefined): SignatureVerification => ({
        id,
        finding: { verdict: "pending" },
        signature: {
          check(message) {
            const matches = verify(key, parts, call.path, message);
            if (key === undefined) return invalid("no such signing key");
            if (!matches) return invalid("the signature is wrong");
            return judgeRecord(key, "signing key", audience, call.nowMs);
          },
          claim,
        },
        recheck: (nowMs) =>
          find(id, (now) => {
            if (now === undefined) return invalid("the signing key is gone");
            if (key === undefined || !now.secret.equals(key.secret)) {
              return invalid("the signing key has another secret");
            }
            return judgeRecord(now, "signing key", audience, nowMs);
          }),
      });
      return find(id, opened);
    },
  };
}

function findingOfClaim(verdict: NonceVerdict): Finding | undefined {
  switch (verdict) {
    case "new":
      return undefined;
    case "replayed":
      return { verdict: "invalid", reason: Reason.CREDENTIAL_REPLAYED, cause: "the nonce was used before" };
    case "quota":
      return { verdict: "limited", cause: "the key's quota of nonces is used up" };
    case "early":
      return { verdict: "unavailable", cause: "the nonce store has not seen this timestamp from the start" };
    case "full":
      return { verdict: "unavailable", cause: "the nonce store is full" };
    default:
      // Not one that the types know: a store is a service that may be wrong.
      throw new Error("the nonce store answered nonsense");
  }
}

/** The four values, or why they are not. A cause never repeats a value: an API key may have strayed into it. */
function parse(metadata: Metadata): Parts | string {
  const values: string[] = [];
  for (const key of hmacKeys) {
    const value = singleValue(metadata, key);
    if (value === undefined) return `${key} is missing or has several values`;
    if (!hmacGrammar[key].test(value)) return `${key} is malformed`;
    values.push(value);
  }
  const [id = "", timestamp = "", nonce = "", signature = ""] = values;
  return { id, timestamp, nonce, signature };
}

function verify(key: SigningKey | undefined, parts: Parts, path: string, message: Uint8Array): boolean {
  const head = signedHead({ path, timestamp: parts.timestamp, nonce: parts.nonce });
  return isMacOf(key?.secret ?? nobody, [head, message], parts.signature);
}
