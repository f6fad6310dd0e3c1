import { readFileSync } from "node:fs";
import { newKeyEncryptionKey, openSigningKeys, type SigningKeyEntry, sealSigningKeys } from "@zero-trust/auth/issue";
import { signingKeyFile } from "@zero-trust/auth/stores/file";
import { CommandError, systemReason, writeReason } from "../command-line/command-error.ts";
import { writeDurably } from "../command-line/replace-file.ts";
import type { KeyFile } from "./key-file.ts";

interface Place {
  readonly path: string;
  readonly keyEncryptionKeyPath: string;
}

/** A sealed signing-key file, with the key-encryption key that opens it. */
export function signingKeysAt(place: Place): KeyFile<SigningKeyEntry> {
  const key = () => readKey(place.keyEncryptionKeyPath);
  return {
    path: place.path,
    what: "signing-key file",
    mode: 0o600,
    isSecret: true,
    parse: (text) => openSigningKeys(text, key()),
    serialize: (entries) => sealSigningKeys(entries, key()),
    check: (path) => signingKeyFile({ ...place, path }).close(),
  };
}

/** Makes a key-encryption key in a file of its own, never in the place of another. */
export function makeKeyEncryptionKey(path: string): void {
  try {
    writeDurably(path, newKeyEncryptionKey().expose(), 0o600);
  } catch (cause) {
    throw new CommandError(`The key-encryption key ${path} cannot be written: ${writeReason(cause)}.`, { cause });
  }
}

function readKey(path: string): string {
  try {
    return readFileSync(path, "ascii").trim();
  } catch (cause) {
    throw new CommandError(`The key-encryption key ${path} cannot be read: ${systemReason(cause)}.`, { cause });
  }
}
