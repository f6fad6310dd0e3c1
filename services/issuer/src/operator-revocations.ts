import { z } from "zod";
import { clientId } from "./clients.ts";
import type { JsonFile } from "./json-file.ts";
import { parseJsonFile } from "./json-file.ts";
import { REVOCATION_MARGIN_SECONDS, TOKEN_LIFETIME_SECONDS, toSeconds } from "./lifetimes.ts";
import { type OnFileError, type ReloadedFile, reloadedFile } from "./reloaded-file.ts";
import type { Revocations } from "./revocations.ts";
import { utcTime } from "./utc-time.ts";

/** So many of each leave room in the list for what clients revoke themselves. */
const MAX_ENTRIES = 2_000;

const token = z
  .strictObject({
    jti: z.string("must be a text").regex(/^[\w-]{1,128}$/u, "must be 1 to 128 of letters, digits, - and _"),
    expiresAt: utcTime,
  })
  .transform(({ jti, expiresAt }) => ({ jti, client: undefined, exp: Math.ceil(expiresAt / 1000) }));

const client = z
  .strictObject({ clientId, issuedBefore: utcTime })
  .transform(({ clientId: id, issuedBefore }) => ({ client: id, before: toSeconds(issuedBefore) }));

const many = `must be a list of ${MAX_ENTRIES} at most`;

const schema = z.strictObject({
  tokens: z.array(token, many).max(MAX_ENTRIES, many),
  clients: z.array(client, many).max(MAX_ENTRIES, many),
});

const none: Revocations = { tokens: [], clients: [] };
const nothing: ReloadedFile<Revocations> = { current: () => none, reload: () => undefined };

/**
 * Reads what the operator revokes, `{ "tokens": [{ "jti", "expiresAt" }], "clients": [{ "clientId", "issuedBefore" }] }`,
 * and follows its changes.
 *
 * @param path - nothing is revoked by file when there is none
 * @throws ConfigError for a file that is missing or wrong; later it goes to `onError`
 */
export function revocationsFile(
  path: string | undefined,
  options: { readonly onError: OnFileError },
): ReloadedFile<Revocations> {
  if (path === undefined) return nothing;
  const file: JsonFile = { path, what: "revocations file", variable: "ZT_REVOCATIONS_FILE" };
  return reloadedFile(file, (bytes) => parseJsonFile(file, bytes, schema), options.onError);
}

/** Of what the operator revokes, what could still be good somewhere. */
export function unended({ tokens, clients }: Revocations, now: number): Revocations {
  const ended = now - REVOCATION_MARGIN_SECONDS;
  return {
    tokens: tokens.filter(({ exp }) => exp > ended),
    clients: clients.filter(({ before }) => before + TOKEN_LIFETIME_SECONDS > ended),
  };
}
