import { timingSafeEqual } from "node:crypto";
import type { Finding } from "../decision.ts";
import { Credential } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { hasCome, judgeRecord, soundRecord } from "../key-record.ts";
import { invalid, type MetadataVerifier, singleValue, type Verification } from "../verifier.ts";
import { type Answer, withAnswer } from "../with-answer.ts";
import { type ApiKeyMode, hashApiKey, parseApiKey } from "./format.ts";
import { type ApiKeyRecord, type ApiKeySecret, type ApiKeySource, faultOfApiKey } from "./records.ts";
import { type ApiKeyUse, sampleUses } from "./use-sampler.ts";

/** What the server side of API keys needs. */
export interface ApiKeyOptions {
  readonly keys: ApiKeySource;
  /** This service, as the records name it: `https://payment.production.internal`. */
  readonly audience: string;
  /** Which keys are taken. @defaultValue `"live"` */
  readonly mode?: ApiKeyMode;
  /**
   * Told of keys that were good, at most once a key and minute: `apiKeyUseFile(…).used`. It must not block; what it throws
   * is dropped.
   */
  readonly onUsed?: (use: ApiKeyUse) => void;
}

// Compared against where there is no secret, so that an unknown id costs what a wrong secret costs.
const nobody = Buffer.alloc(32);

/**
 * Verifies API keys in `x-api-key`: one digest and two comparisons for a known and for an unknown id, and one answer for
 * whatever is wrong.
 *
 * @param options - where the keys are and which service this is
 *
 * @example
 * ```ts
 * import { apiKey } from "@zero-trust/auth/server";
 * import { apiKeyFile, apiKeyUseFile } from "@zero-trust/auth/stores/file";
 *
 * const uses = apiKeyUseFile("api-key-uses.json");
 * const verifier = apiKey({
 *   keys: apiKeyFile("api-keys.json"),
 *   audience: "https://payment.production.internal",
 *   onUsed: uses.used,
 * });
 * ```
 */
export function apiKey(options: ApiKeyOptions): MetadataVerifier {
  const { keys, audience, mode = "live" } = options;
  const used = options.onUsed === undefined ? undefined : sampleUses(options.onUsed);
  const find = <T>(id: string, judgeFound: (record: ApiKeyRecord | undefined) => T): Answer<T> =>
    withAnswer(keys.find(id), (found) => judgeFound(soundRecord(found, id, faultOfApiKey)));
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
    verify(metadata, call) {
      const key = singleValue(metadata, "x-api-key");
      if (key === undefined) return { finding: invalid("x-api-key has several values") };
      const parsed = parseApiKey(key);
      if (parsed === undefined) return { finding: invalid("the API key is malformed") };
      if (parsed.mode !== mode) return { finding: invalid(`a ${parsed.mode} key, where ${mode} keys are taken`) };
      const { id } = parsed;
      const { spiffeId } = call.peer;
      return find<Verification>(id, (record) => {
        const secret = secretOf(record, hashApiKey(key));
        const finding = judge(record, secret, { audience, spiffeId, nowMs: call.nowMs });
        if (finding.verdict !== "verified") return { id, finding };
        used?.({ id, client: finding.client, atMs: call.nowMs });
        return {
          id,
          finding,
          recheck: (nowMs) =>
            find(id, (now) => {
              const same = now?.secrets.find(({ sha256 }) => sha256 === secret?.sha256);
              return judge(now, same, { audience, spiffeId, nowMs });
            }),
        };
      });
    },
  };
}

/** The secret that the digest is of. As many comparisons for no record, and for one secret, as for two. */
function secretOf(record: ApiKeyRecord | undefined, digest: Buffer): ApiKeySecret | undefined {
  const [first, second] = record?.secrets ?? [];
  const matches = [first, second].filter((secret) => {
    const known = secret === undefined ? nobody : Buffer.from(secret.sha256, "hex");
    return timingSafeEqual(known, digest) && secret !== undefined;
  });
  return matches[0];
}

interface ShownAt {
  readonly audience: string;
  readonly spiffeId: string;
  readonly nowMs: number;
}

function judge(record: ApiKeyRecord | undefined, secret: ApiKeySecret | undefined, shown: ShownAt): Finding {
  if (record === undefined) return invalid("no such API key");
  if (secret === undefined) return invalid("the API key's secret is wrong");
  if (hasCome(secret.expiresAtMs, shown.nowMs)) return invalid("the API key's secret has expired");
  if (record.workloads !== undefined && !record.workloads.has(shown.spiffeId)) {
    return invalid("the API key is not for this workload");
  }
  return judgeRecord(record, "API key", shown.audience, shown.nowMs);
}
