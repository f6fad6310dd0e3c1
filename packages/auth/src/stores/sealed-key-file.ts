import type { KeySource } from "../hmac/keys.ts";
import { FileError, type ReloadingFile, type ReloadOptions, reloadingFile } from "./reloading-file.ts";
import { openSigningKeys, signingKeysOf } from "./sealed-keys.ts";

/** Where the sealed keys are, and what opens them. */
export interface SigningKeyFileOptions extends ReloadOptions {
  /** The sealed keys, mode 0600. */
  readonly path: string;
  /** The key-encryption key: 43 base64url characters, in another file, mode 0600. */
  readonly keyEncryptionKeyPath: string;
}

/**
 * Reads sealed signing keys from a file and follows its changes. Where both files are changed, the version before stays in
 * force until they fit together.
 *
 * @param options - the two files
 * @throws FileError when a file is missing, readable for others, or does not open
 */
export function signingKeyFile(
  options: SigningKeyFileOptions,
): KeySource & Pick<ReloadingFile<unknown>, "checkedAtMs" | "close"> {
  const { path, keyEncryptionKeyPath, ...reload } = options;
  const parse = (sealed: Buffer, key: Buffer) => {
    try {
      return signingKeysOf(openSigningKeys(sealed.toString("utf8"), key.toString("ascii").trim()));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new FileError(`its key-encryption key ${keyEncryptionKeyPath} is no good: ${error.message}`);
    }
  };
  const file = reloadingFile([path, keyEncryptionKeyPath], parse, { ...reload, isSecret: true });
  return { find: (id) => file.current().get(id), checkedAtMs: file.checkedAtMs, close: () => file.close() };
}
