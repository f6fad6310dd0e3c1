import { createHash, createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { Metadata } from "@grpc/grpc-js";
import type { Finding } from "../decision.ts";
import { Credential, Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { type CallFacts, invalid, type SignatureVerifier, singleValue } from "../verifier.ts";
import type { KeySource, SigningKey } from "./keys.ts";
import type { NonceStore } from "./nonces.ts";
import { type HmacKey, hmacGrammar, signedHead } from "./string-to-sign.ts";

/** What the server side of signatures needs. */
export interface HmacOptions {
  readonly keys: KeySource;
  readonly nonces: NonceStore;
  /** This service, as the key records name it: `https://payment.production.internal`. */
  readonly audience: string;
  /** How old a timestamp may be, in seconds; the nonce store has to remember as long. @defaultValue 300 */
  readonly pastSeconds?: number;
  /** How far a timestamp may lie ahead, in seconds. @defaultValue 5 */
  readonly futureSeconds?: number;
}

/** A key that nobody holds: signatures of unknown keys are checked against it, so that they cost the same. */
const nobody = createSecretKey(Buffer.alloc(46));

type Parts = Readonly<Record<HmacKey, string>>;

/**
 * Verifies HMAC-SHA256 signatures over method, time, nonce and the very bytes of the message (RFC 2104), in the order in
 * which each step is cheaper and trusts less than the next: grammar, time window, key, signature, nonce.
 *
 * @param options - keys, nonces and which service this is
 */
export function hmac(options: HmacOptions): SignatureVerifier {
  const { keys, nonces, audience, pastSeconds = 300, futureSeconds = 5 } = options;
  return {
    credential: Credential.HMAC,
    metadataKeys: Object.keys(hmacGrammar),
    isPresented(metadata, named) {
      const signed = ["x-timestamp", "x-nonce", "x-signature"].some((key) => metadata.get(key).length > 0);
      if (signed || metadata.get("x-api-key").length === 0) return signed;
      // A key alone is an incomplete signature, unless a rule takes API keys and it says that it is one.
      return !named.has(Credential.API_KEY) || !(singleValue(metadata, "x-api-key") ?? "").startsWith("sk-");
    },
    async open(metadata, call) {
      const parts = parse(metadata);
      if (typeof parts === "string") return { finding: invalid(parts) };
      const id = parts["x-api-key"];
      const timestampSeconds = Number(parts["x-timestamp"]);
      const nowSeconds = Math.floor(call.nowMs / 1000);
      if (timestampSeconds < nowSeconds - pastSeconds || timestampSeconds > nowSeconds + futureSeconds) {
        const cause = `the timestamp is ${timestampSeconds - nowSeconds} s away`;
        return { id, finding: { verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED, cause } };
      }
      const key = await keys.find(id);
      const check = (message: Uint8Array): Finding => {
        const matches = verify(key, parts, call.path, message);
        return judge(key, matches, audience, call);
      };
      const claim = async (): Promise<Finding | undefined> => {
        const hash = createHash("sha256").update(`${id}\n${parts["x-nonce"]}`).digest("base64url");
        const verdict = await nonces.claim({ keyId: id, hash, timestampSeconds, nowSeconds });
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
        }
      };
      return { id, finding: { verdict: "pending" }, signature: { check, claim } };
    },
  };
}

/** The four values, or why they are not. A cause never repeats a value: an API key may have strayed into it. */
function parse(metadata: Metadata): Parts | string {
  const parts: Record<string, string> = {};
  for (const [key, grammar] of Object.entries(hmacGrammar)) {
    const value = singleValue(metadata, key);
    if (value === undefined) return `${key} is missing or has several values`;
    if (!grammar.test(value)) return `${key} is malformed`;
    parts[key] = value;
  }
  return parts as Parts;
}

function verify(key: SigningKey | undefined, parts: Parts, path: string, message: Uint8Array): boolean {
  const head = signedHead({ path, timestamp: parts["x-timestamp"], nonce: parts["x-nonce"] });
  const expected = createHmac("sha256", key?.secret ?? nobody)
    .update(head)
    .update(message)
    .digest();
  return timingSafeEqual(expected, Buffer.from(parts["x-signature"], "hex"));
}

function judge(key: SigningKey | undefined, matches: boolean, audience: string, call: CallFacts): Finding {
  if (key === undefined) return invalid("no such signing key");
  if (!matches) return invalid("the signature is wrong");
  if (key.revokedAtMs !== undefined && key.revokedAtMs <= call.nowMs) return invalid("the signing key is revoked");
  if (key.expiresAtMs !== undefined && key.expiresAtMs <= call.nowMs) return invalid("the signing key has expired");
  if (key.audience !== audience) return invalid("the signing key is for another service");
  return { verdict: "verified", client: key.client, scopes: key.scopes };
}
