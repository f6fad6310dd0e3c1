import { clientId } from "./client-id.ts";
import type { Finding } from "./decision.ts";
import { invalid } from "./verifier.ts";

/** What is kept of a key, whichever kind it is. */
export interface KeyRecord {
  readonly id: string;
  readonly client: string;
  /** The service that the key is good for, as in a token's `aud`: `https://payment.production.internal`. */
  readonly audience: string;
  readonly scopes: ReadonlySet<string>;
  /** Milliseconds since 1970, the first at which the key is no good any more. */
  readonly expiresAtMs?: number;
  /** Milliseconds since 1970, the first at which the key is no good any more. */
  readonly revokedAtMs?: number;
}

/**
 * Takes nothing on trust that a key source answers: a source is a database or a service that may be wrong, and what it
 * got wrong would let somebody in.
 *
 * @param found - what was found under the id
 * @param fault - says what is wrong with the rest of it
 * @throws Error when it is no record of that id, so that the call is refused as one that could not be checked
 */
export function soundRecord<T extends KeyRecord>(
  found: T | undefined,
  id: string,
  fault: (record: T) => string | undefined,
): T | undefined {
  if (found === undefined) return undefined;
  const wrong = faultOf(found, id) ?? fault(found);
  if (wrong !== undefined) throw new Error(`the key source answered nonsense: ${wrong}`);
  return found;
}

/** Whether this is a point in time, or left out. NaN would be neither before nor after now, and so never expire. */
export function isTime(value: unknown): boolean {
  return value === undefined || Number.isFinite(value);
}

/** Whether this is a set of texts. */
export function isTexts(value: unknown): boolean {
  return value instanceof Set && [...value].every((item) => typeof item === "string");
}

/**
 * Whether a point in time has come. What cannot be compared (a clock that is broken) has come: so nothing outlives its
 * end.
 */
export function hasCome(atMs: number | undefined, nowMs: number): boolean {
  return atMs !== undefined && !(nowMs < atMs);
}

/** Whether a record whose secret was shown is good here and now; the cause is for the log alone. */
export function judgeRecord(record: KeyRecord, kind: string, audience: string, nowMs: number): Finding {
  if (hasCome(record.revokedAtMs, nowMs)) return invalid(`the ${kind} is revoked`);
  if (hasCome(record.expiresAtMs, nowMs)) return invalid(`the ${kind} has expired`);
  if (record.audience !== audience) return invalid(`the ${kind} is for another service`);
  return { verdict: "verified", client: record.client, scopes: record.scopes };
}

function faultOf(record: KeyRecord, id: string): string | undefined {
  if (typeof record !== "object" || record === null) return "no record";
  if (record.id !== id) return "a record of another id";
  if (typeof record.client !== "string" || !clientId.test(record.client)) return "a client out of its grammar";
  if (typeof record.audience !== "string" || record.audience === "") return "no audience";
  if (!isTexts(record.scopes)) return "scopes that are no set of texts";
  return isTime(record.expiresAtMs) && isTime(record.revokedAtMs) ? undefined : "a time that is none";
}
