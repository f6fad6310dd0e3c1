import { parseSpiffeId } from "@zero-trust/mtls";
import { z } from "zod";
import { type ClientJwk, clientJwk } from "./client-key.ts";
import { type JsonFile, parseJsonFile } from "./json-file.ts";
import { type OnFileError, type ReloadedFile, reloadedFile } from "./reloaded-file.ts";
import { utcTime } from "./utc-time.ts";

/** A client that may ask for tokens, and for which. */
export interface RegisteredClient {
  readonly clientId: string;
  /** The workload that it is; one client a workload, so that a certificate says which client may be meant. */
  readonly spiffeId: string;
  readonly authentication: "tls_client_auth" | "client_secret_basic" | "private_key_jwt";
  /** One, or two during a rotation; none unless it authenticates with one. */
  readonly secrets: readonly ClientSecret[];
  /** One, or two during a rotation; none unless it authenticates with one. */
  readonly keys: readonly ClientKey[];
  /** Milliseconds since 1970. */
  readonly revokedAtMs: number | undefined;
  /** The scopes that the client may have, by audience. */
  readonly audiences: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What is kept of a client's secret. */
export interface ClientSecret {
  /** SHA-256, 64 hex digits; the secret is random, so that it needs no salt and no stretching. */
  readonly sha256: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number | undefined;
}

/** A key that a client signs its assertions with. */
export interface ClientKey {
  readonly jwk: ClientJwk;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number | undefined;
}

/** The clients, by SPIFFE ID. */
export type Clients = ReadonlyMap<string, RegisteredClient>;

/** RFC 6749, section 3.3. */
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/u, "must be a scope, such as read:orders");

const audience = z
  .string()
  .refine(
    (value) => URL.canParse(value) && new URL(value).origin === value,
    "must be keyed by the audience's URL without a path",
  );

export const clientId: z.ZodType<string> = z
  .string("must be a text")
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/u, "must be 1 to 63 of a-z, 0-9 and -");

const shared = {
  clientId,
  spiffeId: z.string("must be a SPIFFE ID").refine(isSpiffeId, {
    error: "must be a SPIFFE ID, such as spiffe://production.internal/order-service",
    abort: true,
  }),
  createdAt: utcTime.optional(),
  revokedAt: utcTime.optional(),
  audiences: z.record(audience, z.array(scope).nonempty("must have a scope"), "must map an audience to its scopes"),
};

const times = { createdAt: utcTime.optional(), expiresAt: utcTime.optional() };

const secret = z
  .strictObject({
    sha256: z.string("must be 64 hex digits").regex(/^[0-9a-f]{64}$/u, "must be 64 hex digits"),
    ...times,
  })
  .transform(({ sha256, expiresAt }): ClientSecret => ({ sha256, expiresAtMs: expiresAt }));

const key = z
  .strictObject({ jwk: clientJwk, ...times })
  .transform(({ jwk, expiresAt }): ClientKey => ({ jwk, expiresAtMs: expiresAt }));

/** Two, so that the next one is in use before the last one ends. */
function oneOrTwo<T>(of: z.ZodType<T>): z.ZodType<T[]> {
  return z.array(of, "must be a list of one or two").min(1, "must have one or two").max(2, "must have one or two");
}

const client = z.discriminatedUnion(
  "authentication",
  [
    z.strictObject({ ...shared, authentication: z.literal("tls_client_auth") }),
    z.strictObject({ ...shared, authentication: z.literal("client_secret_basic"), secrets: oneOrTwo(secret) }),
    z.strictObject({
      ...shared,
      authentication: z.literal("private_key_jwt"),
      keys: oneOrTwo(key).refine(
        (keys) => new Set(keys.map(({ jwk }) => jwk.kid)).size === keys.length,
        "has two keys of one kid",
      ),
    }),
  ],
  "must be tls_client_auth, client_secret_basic or private_key_jwt",
);

/**
 * Reads the clients file (`{ "clients": [ … ] }`) and follows its changes.
 *
 * @throws ConfigError for a file that is missing or wrong, also when two clients share an id or a workload, or a workload
 * is not of the trust domain; later it goes to `onError`
 */
export function clientsFile(
  path: string,
  options: { readonly trustDomain: string; readonly onError: OnFileError },
): ReloadedFile<Clients> {
  const file: JsonFile = { path, what: "clients file", variable: "ZT_CLIENTS_FILE" };
  return reloadedFile(file, (bytes) => parseClients(file, bytes, options.trustDomain), options.onError);
}

/** Whether a client is one of ours at a time, in milliseconds since 1970. */
export function isActive(registered: RegisteredClient | undefined, nowMs: number): boolean {
  return registered !== undefined && (registered.revokedAtMs ?? Number.POSITIVE_INFINITY) > nowMs;
}

/** Of the secrets or keys of a client, those that have not expired. */
export function unexpired<T extends { readonly expiresAtMs: number | undefined }>(
  all: readonly T[],
  nowMs: number,
): T[] {
  return all.filter(({ expiresAtMs = Number.POSITIVE_INFINITY }) => expiresAtMs > nowMs);
}

function parseClients(file: JsonFile, bytes: Buffer, trustDomain: string): Clients {
  const schema = z.strictObject({ clients: z.array(client, "must be a list") }).superRefine(({ clients }, context) => {
    const seen = new Set<string>();
    for (const [index, { clientId: id, spiffeId }] of clients.entries()) {
      const refuse = (field: string, message: string) =>
        context.addIssue({ code: "custom", path: ["clients", index, field], message });
      if (seen.has(id)) refuse("clientId", "is another client's");
      if (seen.has(spiffeId)) refuse("spiffeId", "is another client's");
      if (parseSpiffeId(spiffeId).trustDomain !== trustDomain)
        refuse("spiffeId", `must be of the trust domain ${trustDomain}`);
      seen.add(id).add(spiffeId);
    }
  });
  const { clients } = parseJsonFile(file, bytes, schema);
  return new Map(
    clients.map((each) => [
      each.spiffeId,
      {
        clientId: each.clientId,
        spiffeId: each.spiffeId,
        authentication: each.authentication,
        secrets: each.authentication === "client_secret_basic" ? each.secrets : [],
        keys: each.authentication === "private_key_jwt" ? each.keys : [],
        revokedAtMs: each.revokedAt,
        audiences: new Map(Object.entries(each.audiences).map(([name, scopes]) => [name, new Set(scopes)])),
      },
    ]),
  );
}

function isSpiffeId(value: string): boolean {
  try {
    parseSpiffeId(value);
    return true;
  } catch {
    return false;
  }
}
