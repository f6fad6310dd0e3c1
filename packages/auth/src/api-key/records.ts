import { clientId } from "../client-id.ts";
import { JsonShapeError, list, object, onlyKeys, text, texts, time } from "../json-shape.ts";

/** What is kept of an API key: everything but the key. */
export interface ApiKeyRecord {
  readonly id: string;
  readonly client: string;
  /** The service that the key is good for, as in a token's `aud`. */
  readonly audience: string;
  readonly scopes: ReadonlySet<string>;
  /** The SPIFFE IDs of the workloads that may use it; undefined means any workload of the trust domain. */
  readonly workloads?: ReadonlySet<string>;
  /** Milliseconds since 1970. */
  readonly expiresAtMs?: number;
  readonly revokedAtMs?: number;
  /** SHA-256 of each key that is good, in hexadecimal: two during a rotation. */
  readonly sha256: readonly string[];
}

/** Where `apiKey()` looks keys up. Throwing or rejecting means that it could not look. */
export interface ApiKeySource {
  find(id: string): ApiKeyRecord | undefined | Promise<ApiKeyRecord | undefined>;
}

/**
 * Reads an API key file.
 *
 * @param json - the parsed file, `{"keys": [{"id", "client", "audience", "scopes", "secrets": [{"sha256"}], …}]}`
 * @throws JsonShapeError naming the entry that is wrong
 */
export function parseApiKeys(json: unknown): ReadonlyMap<string, ApiKeyRecord> {
  const file = object(json, "the API key file");
  onlyKeys(file, ["keys"], "the API key file");
  const records = new Map<string, ApiKeyRecord>();
  for (const [index, entry] of list(file, "keys", "the API key file").entries()) {
    const record = parseRecord(entry, `keys[${index}]`);
    if (records.has(record.id)) throw new JsonShapeError(`keys[${index}] is a second entry for ${record.id}`);
    records.set(record.id, record);
  }
  return records;
}

const recordKeys = [
  "id",
  "client",
  "audience",
  "scopes",
  "workloads",
  "createdAt",
  "expiresAt",
  "revokedAt",
  "secrets",
];

function parseRecord(entry: unknown, where: string): ApiKeyRecord {
  const item = object(entry, where);
  onlyKeys(item, recordKeys, where);
  time(item, "createdAt", where);
  const expiresAtMs = time(item, "expiresAt", where);
  const revokedAtMs = time(item, "revokedAt", where);
  const sha256 = list(item, "secrets", where).map((secret) => {
    const shape = object(secret, `${where}.secrets`);
    onlyKeys(shape, ["sha256"], `${where}.secrets`);
    return text(shape, "sha256", `${where}.secrets`, /^[0-9a-f]{64}$/);
  });
  if (sha256.length === 0) throw new JsonShapeError(`${where} has no secret`);
  return {
    id: text(item, "id", where, /^[a-z0-9]{12}$/),
    client: text(item, "client", where, clientId),
    audience: text(item, "audience", where),
    scopes: new Set(texts(item, "scopes", where)),
    ...(item["workloads"] === undefined ? {} : { workloads: new Set(texts(item, "workloads", where)) }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
    sha256,
  };
}
