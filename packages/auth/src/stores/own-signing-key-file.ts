import type { OwnSigningKey } from "../hmac/client.ts";
import { signingSecret } from "../hmac/keys.ts";
import { hmacGrammar } from "../hmac/string-to-sign.ts";
import { JsonShapeError, object, text } from "../json-shape.ts";
import { Secret } from "../secret.ts";
import { parseJson, type ReloadingFile, type ReloadOptions, reloadingFile } from "./reloading-file.ts";

/** How the file of one's own signing key is read. */
export interface OwnSigningKeyFileOptions extends ReloadOptions {
  /** The id, for a file that has the secret alone. A key that is to be rotated has both in its file: they change together. */
  readonly keyId?: string | undefined;
}

/**
 * Reads the key that a client signs with from a file and follows its changes: `{"id": "hk-…", "secret": "hs-…"}`, as `pnpm zt keys issue signing
 * --json` prints it, or the secret alone.
 *
 * @param path - the file, for its owner's eyes alone
 * @throws FileError when the file cannot be used at the start, or has no id and none is given; later the last good version stays
 * @example
 * ```ts
 * import { hmac, type Presenter } from "@zero-trust/auth/client";
 * import { ownSigningKeyFile } from "@zero-trust/auth/stores/file";
 *
 * const file = ownSigningKeyFile("signing-key.json", { onError: (error) => console.error(error.message) });
 * export const signer: Presenter = hmac({ key: file.current });
 * process.once("SIGTERM", () => file.close());
 * ```
 */
export function ownSigningKeyFile(path: string, options: OwnSigningKeyFileOptions = {}): ReloadingFile<OwnSigningKey> {
  const { keyId, ...reload } = options;
  return reloadingFile([path], (bytes) => ownSigningKey(bytes, keyId), reload);
}

/** The file may hold more than the two: whom the key is of, and until when. */
function ownSigningKey(bytes: Buffer, givenId: string | undefined): OwnSigningKey {
  const content = bytes.toString("utf8").trim();
  if (!content.startsWith("{")) return checked(givenId, content);
  const key = object(parseJson(bytes), "it");
  const keyId = text(key, "id", "it");
  if (givenId !== undefined && givenId !== keyId)
    throw new JsonShapeError("it has another id than the one that is given");
  return checked(keyId, text(key, "secret", "it"));
}

function checked(keyId: string | undefined, secret: string): OwnSigningKey {
  if (keyId === undefined) throw new JsonShapeError("it has a secret and no id, and none is given");
  if (!hmacGrammar["x-api-key"].test(keyId))
    throw new JsonShapeError("the id of the key is not hk- and 8 to 32 of a-z0-9");
  try {
    signingSecret(secret);
  } catch {
    throw new JsonShapeError("the secret is not hs- and 43 base64url characters");
  }
  return { keyId, secret: new Secret(secret) };
}
