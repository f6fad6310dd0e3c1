// @peculiar/x509 builds on tsyringe, which needs the polyfill to be there before it is loaded.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** A CA: its certificate, and the keys that it signs with. */
export interface Signer {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** How everything here is signed. */
export const SIGNATURE: webcrypto.EcKeyGenParams & webcrypto.EcdsaParams = {
  name: "ECDSA",
  namedCurve: "P-256",
  hash: "SHA-256",
};

/** Keys of the kind that workloads have. */
export function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
}

/** Keys that nobody should have any more. */
export function weakKeys(): Promise<webcrypto.CryptoKeyPair> {
  const publicExponent = Uint8Array.of(1, 0, 1);
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 1024, publicExponent };
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

export async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${x509.PemConverter.encode(der, x509.PemConverter.PrivateKeyTag)}\n`;
}

/** A CA from its files. */
export async function signerOf(files: { readonly certificate: string; readonly key: string }): Promise<Signer> {
  const certificate = new x509.X509Certificate(files.certificate);
  const der = x509.PemConverter.decodeFirst(files.key);
  const privateKey = await webcrypto.subtle.importKey("pkcs8", der, SIGNATURE, true, ["sign"]);
  const publicKey = await webcrypto.subtle.importKey("spki", certificate.publicKey.rawData, SIGNATURE, true, [
    "verify",
  ]);
  return { certificate, keys: { privateKey, publicKey } };
}
