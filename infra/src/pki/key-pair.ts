// @peculiar/x509 builds on tsyringe, which needs the polyfill to be there before it is loaded.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { PemConverter } from "@peculiar/x509";
import { CommandError } from "../command-line/command-error.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256" };

/** How everything here is signed: ECDSA on P-256 with SHA-256, which every TLS 1.3 implementation has (RFC 8446 §9.1). */
export const signingAlgorithm: { readonly name: string; readonly namedCurve: string; readonly hash: string } = {
  ...algorithm,
  hash: "SHA-256",
};

export function newKeyPair(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

/** PKCS #8, PEM, unencrypted. */
export async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${PemConverter.encode(der, PemConverter.PrivateKeyTag)}\n`;
}

/**
 * Reads a CA's private key.
 *
 * @param absent - what to say when the file is not there
 * @throws {CommandError} when it is not there, open to others, or no key; never with a word of its content
 */
export async function readPrivateKey(path: string, absent: string): Promise<webcrypto.CryptoKey> {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode;
  if (mode === undefined) throw new CommandError(absent);
  if ((mode & 0o077) !== 0) throw new CommandError(`${path} is open to others: chmod 600 it.`);
  try {
    const der = PemConverter.decodeFirst(readFileSync(path, "utf8"));
    return await webcrypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  } catch {
    // Without its cause, on purpose: what a parser says of a key has no place on a screen.
    throw new CommandError(`${path} is not a private key as \`zt pki\` writes it; bring back the one that was there.`);
  }
}
