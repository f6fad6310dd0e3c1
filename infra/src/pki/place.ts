import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import { replaceFile } from "../command-line/replace-file.ts";

/** Where a PKI is. */
export interface Place {
  /** The folder of the index and the keys of the intermediates. */
  readonly pki: string;
  /** The folder of the keys of the roots. Default: `root-keys` in the PKI's folder, from where they can be taken offline. */
  readonly rootKeys?: string;
}

export function rootKeyFolder(place: Place): string {
  return place.rootKeys ?? join(place.pki, "root-keys");
}

export function rootKeyFile(place: Place, authority: number): string {
  return join(rootKeyFolder(place), `${authority}.key`);
}

export function intermediateKeyFile(place: Place, authority: number): string {
  return join(place.pki, "intermediate-keys", `${authority}.key`);
}

/** Writes the keys of a new authority, for this user alone. */
export function writeKeys(
  place: Place,
  authority: number,
  keys: { readonly root: string; readonly intermediate: string },
): void {
  const folders = [place.pki, rootKeyFolder(place), join(place.pki, "intermediate-keys")];
  try {
    for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o700 });
    replaceFile(rootKeyFile(place, authority), keys.root, 0o600);
    replaceFile(intermediateKeyFile(place, authority), keys.intermediate, 0o600);
  } catch (cause) {
    throw new CommandError(`The keys cannot be written into ${place.pki}: ${systemReason(cause)}.`, { cause });
  }
}
