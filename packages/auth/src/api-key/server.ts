import { timingSafeEqual } from "node:crypto";
import type { Finding } from "../decision.ts";
import { Credential } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { type CallFacts, invalid, type MetadataVerifier, singleValue } from "../verifier.ts";
import { type ApiKeyMode, hashApiKey, parseApiKey } from "./format.ts";
import type { ApiKeyRecord, ApiKeySource } from "./records.ts";

/** What the server side of API keys needs. */
export interface ApiKeyOptions {
  readonly keys: ApiKeySource;
  /** This service, as the records name it: `https://payment.production.internal`. */
  readonly audience: string;
  /** Which keys are taken. @defaultValue `"live"` */
  readonly mode?: ApiKeyMode;
}

// Compared against where there is no record, so that an unknown id costs what a wrong secret costs.
const nobody = Buffer.alloc(32);

/**
 * Verifies API keys in `x-api-key`: one digest and one comparison for a known and for an unknown id, and one answer for
 * whatever is wrong.
 *
 * @param options - where the keys are and which service this is
 */
export function apiKey(options: ApiKeyOptions): MetadataVerifier {
  const { keys, audience, mode = "live" } = options;
  return {
    credential: Credential.API_KEY,
    metadataKeys: ["x-api-key"],
    isPresented(metadata, named) {
      if (metadata.get("x-api-key").length === 0) return false;
      // Where a rule asks for HMAC too, the key belongs to whichever method it says it is of.
      const belongsToSignature =
        named.has(Credential.HMAC) && !(singleValue(metadata, "x-api-key") ?? "").startsWith("sk-");
      return !belongsToSignature;
    },
    async verify(metadata, call) {
      const key = singleValue(metadata, "x-api-key");
      if (key === undefined) return { finding: invalid("x-api-key has several values") };
      const parsed = parseApiKey(key);
      if (parsed === undefined) return { finding: invalid("the API key is malformed") };
      if (parsed.mode !== mode) return { finding: invalid(`a ${parsed.mode} key, where ${mode} keys are taken`) };
      const record = await keys.find(parsed.id);
      const digest = hashApiKey(key);
      const good = (record?.secrets ?? []).filter(
        ({ expiresAtMs }) => expiresAtMs === undefined || expiresAtMs > call.nowMs,
      );
      const known = good.map(({ sha256 }) => Buffer.from(sha256, "hex"));
      const matches = [known[0] ?? nobody, ...known.slice(1)]
        .map((hash) => timingSafeEqual(hash, digest))
        .includes(true);
      return { id: parsed.id, finding: judge(record, matches, audience, call) };
    },
  };
}

function judge(record: ApiKeyRecord | undefined, matches: boolean, audience: string, call: CallFacts): Finding {
  if (record === undefined) return invalid("no such API key");
  if (!matches) return invalid("the API key's secret is wrong");
  if (record.revokedAtMs !== undefined && record.revokedAtMs <= call.nowMs) return invalid("the API key is revoked");
  if (record.expiresAtMs !== undefined && record.expiresAtMs <= call.nowMs) return invalid("the API key has expired");
  if (record.audience !== audience) return invalid("the API key is for another service");
  if (record.workloads !== undefined && !record.workloads.has(call.peer.spiffeId)) {
    return invalid("the API key is not for this workload");
  }
  return { verdict: "verified", client: record.client, scopes: record.scopes };
}
