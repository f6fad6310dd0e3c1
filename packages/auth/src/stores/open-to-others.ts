/**
 * Whether somebody besides its reader and root may read or change a file of secrets: its mode has to be 0600 or less; a file of
 * root's may be readable for its group, 0640, which is how Kubernetes hands a mounted secret to a user that is not root
 * (`fsGroup`), and the rule that PostgreSQL has for its key.
 *
 * @param file - of `fstat`
 * @example
 * ```ts
 * import { statSync } from "node:fs";
 * import { isOpenToOthers } from "@zero-trust/auth/stores/file";
 *
 * if (isOpenToOthers(statSync("database-password"))) throw new Error("The password file is open to others.");
 * ```
 */
export function isOpenToOthers({ uid, mode }: { readonly uid: number; readonly mode: number }): boolean {
  const permitted = uid === 0 ? 0o740 : 0o700;
  return (mode & 0o777 & ~permitted) !== 0;
}
