import { type ApiKeySource, parseApiKeys } from "../api-key/records.ts";
import { type GrantSource, parseGrants } from "../grants.ts";
import { parseJson, type ReloadingFile, type ReloadOptions, reloadingFile } from "./reloading-file.ts";

export { type ApiKeyUseFile, type ApiKeyUseFileOptions, apiKeyUseFile } from "./api-key-use-file.ts";
export { type DecisionFile, decisionFile } from "./decision-file.ts";
export { isOpenToOthers } from "./open-to-others.ts";
export { type OwnSigningKeyFileOptions, ownSigningKeyFile } from "./own-signing-key-file.ts";
export { FileError, type ReloadingFile, type ReloadOptions } from "./reloading-file.ts";
export { type SigningKeyFileOptions, signingKeyFile } from "./sealed-key-file.ts";

/** A source that watches a file until it is closed. */
export type FileSource<T> = T & Pick<ReloadingFile<unknown>, "checkedAtMs" | "close">;

/**
 * Reads grants from a file and follows its changes.
 *
 * @param path - JSON: `{"grants": [{"spiffeId", "client", "scopes"}]}`
 * @throws FileError when the file cannot be used at the start; later the last good version stays
 * @example
 * ```ts
 * import { grantsFile } from "@zero-trust/auth/stores/file";
 *
 * const grants = grantsFile("grants.json", { onError: (error) => console.error(error.message) });
 * process.once("SIGTERM", () => grants.close());
 * ```
 */
export function grantsFile(path: string, options: ReloadOptions = {}): FileSource<GrantSource> {
  return reloadingFile([path], (bytes) => parseGrants(parseJson(bytes)), options);
}

/**
 * Reads API keys from a file, which holds them as SHA-256 only, and follows its changes.
 *
 * @param path - JSON: `{"keys": [{"id", "client", "audience", "scopes", "secrets": [{"sha256"}]}]}`
 * @throws FileError when the file cannot be used at the start; later the last good version stays
 */
export function apiKeyFile(path: string, options: ReloadOptions = {}): FileSource<ApiKeySource> {
  const file = reloadingFile([path], (bytes) => parseApiKeys(parseJson(bytes)), options);
  return { find: (id) => file.current().get(id), checkedAtMs: file.checkedAtMs, close: () => file.close() };
}
