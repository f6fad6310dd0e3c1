import { parseSpiffeId } from "@zero-trust/mtls";
import { clientId } from "../client-id.ts";
import { JsonShapeError, list, object, onlyKeys, text, texts, time } from "../json-shape.ts";
import { isTexts, isTime, type KeyRecord } from "../key-record.ts";

/** One of the secrets that an API key is good with: two during a rotation. */
export interface ApiKeySecret {
  /** SHA-256 of the whole key, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Milliseconds since 1970, the first at which it is no good: the secret before a rotation ends by itself. */
  readonly expiresAtMs?: number;
}

/** What is kept of an API key: everything but the key. */
export interface ApiKeyRecord extends KeyRecord {
  /** The SPIFFE IDs of the workloads that may use it; undefined means any workload of the trust domain. */
  readonly workloads?: ReadonlySet<string>;
  /** One, or two during a rotation. */
  readonly secrets: readonly ApiKeySecret[];
}

/**
 * Where `apiKey()` looks keys up: a file, or a database. It is asked again every second for a call that runs, so that what
 * is revoked ends, and should answer from memory where it can.
 */
export interface ApiKeySource {
  /** The record; undefined where there is none. Throwing or rejecting means that it could not look. */
  find(id: string): ApiKeyRecord | undefined | Promise<ApiKeyRecord | undefined>;
}

/**
 * Reads an API key file.
 *
 * @param json - the parsed file, `{"keys": [{"id", "client", "audience", "scopes", "secrets": [{"sha256", "expiresAt"?}], …}]}`
 * @throws JsonShapeError naming the entry that is wrong; SpiffeIdError quoting the workload that is none
 */
export function parseApiKeys(json: unknown): ReadonlyMap<string, ApiKeyRecord> {
  const file = object(json, "the API key file");
  onlyKeys(file, ["keys"], "the API key file");
  const records = new Map<string, ApiKeyRecord>();
  for (const [index, entry] of list(file, "keys", "the API key file").entries()) {
    const record = parseApiKeyRecord(entry, `keys[${index}]`);
    if (records.has(record.id)) throw new JsonShapeError(`keys[${index}] is a second entry for ${record.id}`);
    records.set(record.id, record);
  }
  return records;
}

const sha256Pattern = /^[0-9a-f]{64}$/;

/** What is wrong with the parts of a record that other keys do not have. */
export function faultOfApiKey({ workloads, secrets }: ApiKeyRecord): string | undefined {
  if (workloads !== undefined && !isTexts(workloads)) return "workloads that are no set of texts";
  if (!Array.isArray(secrets) || secrets.length < 1 || secrets.length > 2) return "not one or two secrets";
  const isSecret = (secret: Partial<ApiKeySecret> | null | undefined) =>
    typeof secret?.sha256 === "string" && sha256Pattern.test(secret.sha256) && isTime(secret.expiresAtMs);
  return secrets.every(isSecret) ? undefined : "a secret that is no SHA-256";
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

/**
 * Reads one entry.
 *
 * @param where - what it is called in errors
 * @throws JsonShapeError that says what is wrong with it; SpiffeIdError quoting the workload that is none
 */
export function parseApiKeyRecord(entry: unknown, where: string): ApiKeyRecord {
  const item = object(entry, where);
  onlyKeys(item, recordKeys, where);
  time(item, "createdAt", where);
  const expiresAtMs = time(item, "expiresAt", where);
  const revokedAtMs = time(item, "revokedAt", where);
  const secrets = list(item, "secrets", where).map((secret, index) =>
    parseSecret(secret, `${where}.secrets[${index}]`),
  );
  if (secrets.length === 0) throw new JsonShapeError(`${where} has no secret`);
  if (secrets.length > 2) throw new JsonShapeError(`${where} has more than two secrets`);
  if (secrets[0]?.sha256 === secrets[1]?.sha256) throw new JsonShapeError(`${where} has the same secret twice`);
  return {
    id: text(item, "id", where, /^[a-z0-9]{12}$/),
    client: text(item, "client", where, clientId),
    audience: text(item, "audience", where),
    scopes: new Set(texts(item, "scopes", where)),
    ...(item["workloads"] === undefined
      ? {}
      : { workloads: new Set(texts(item, "workloads", where).map((id) => parseSpiffeId(id).uri)) }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
    secrets,
  };
}

function parseSecret(secret: unknown, where: string): ApiKeySecret {
  const shape = object(secret, where);
  onlyKeys(shape, ["sha256", "createdAt", "expiresAt"], where);
  time(shape, "createdAt", where);
  const expiresAtMs = time(shape, "expiresAt", where);
  const sha256 = text(shape, "sha256", where, sha256Pattern);
  return { sha256, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
}
