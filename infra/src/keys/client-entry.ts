import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RegisteredClient } from "@zero-trust/issuer";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from "jose";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import { trustDomain } from "../names.ts";
import { iso } from "./fields.ts";
import { jsonFile, type KeyFile } from "./key-file.ts";

export type ClientAuthentication = RegisteredClient["authentication"];

/** A client as it stands in the issuer's clients file. */
export interface ClientEntry {
  readonly clientId: string;
  readonly spiffeId: string;
  readonly authentication: ClientAuthentication;
  readonly secrets?: readonly ClientSecretEntry[];
  readonly keys?: readonly ClientKeyEntry[];
  readonly createdAt?: string;
  readonly revokedAt?: string;
  readonly audiences: Readonly<Record<string, readonly string[]>>;
}

interface ClientSecretEntry {
  readonly sha256: string;
  readonly createdAt?: string;
  readonly expiresAt?: string;
}

interface ClientKeyEntry {
  readonly jwk: JWK;
  readonly createdAt?: string;
  readonly expiresAt?: string;
}

/** The issuer's clients file, looked at with the issuer's own eyes. */
export async function clientsFileAt(path: string): Promise<KeyFile<ClientEntry>> {
  const { clientsFile } = await import("@zero-trust/issuer");
  const onError = (error: Error) => {
    throw error;
  };
  return {
    path,
    what: "clients file",
    mode: 0o644,
    ...jsonFile<ClientEntry>("clients"),
    check: (at) => void clientsFile(at, { trustDomain, onError }),
  };
}

/** What a client proves itself with from now on, and what the file keeps of it; nothing is handed over where it has it already. */
export async function newCredential(
  authentication: ClientAuthentication,
  { publicKey: given, nowMs }: { readonly publicKey: string | undefined; readonly nowMs: number },
): Promise<{
  readonly secret: string | undefined;
  readonly secretEntry?: ClientSecretEntry;
  readonly keyEntry?: ClientKeyEntry;
}> {
  if (given !== undefined && authentication !== "private_key_jwt") {
    throw new CommandError(`--public-key is for private_key_jwt; this client has ${authentication}.`);
  }
  if (authentication === "tls_client_auth") return { secret: undefined };
  if (authentication === "client_secret_basic") {
    const { secret, kept } = newClientSecret(nowMs);
    return { secret, secretEntry: kept };
  }
  if (given !== undefined) return { secret: undefined, keyEntry: await givenClientKey(given, nowMs) };
  const { secret, kept } = await newClientKey(nowMs);
  return { secret, keyEntry: kept };
}

/** A client secret, and what the file keeps of it. */
function newClientSecret(nowMs: number): { readonly secret: string; readonly kept: ClientSecretEntry } {
  const secret = randomBytes(32).toString("base64url");
  return { secret, kept: { sha256: createHash("sha256").update(secret).digest("hex"), createdAt: iso(nowMs) } };
}

/** A key pair for client assertions (RFC 7523): the private JWK in one line, and the public one for the file. */
async function newClientKey(nowMs: number): Promise<{ readonly secret: string; readonly kept: ClientKeyEntry }> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const { d, ...pair } = await exportJWK(privateKey);
  const jwk = { ...pair, kid: randomBytes(8).toString("hex"), alg: "ES256" };
  return { secret: JSON.stringify({ ...jwk, d }), kept: { jwk, createdAt: iso(nowMs) } };
}

/** A public key that the client has made itself, so that its private key never travels. */
async function givenClientKey(path: string, nowMs: number): Promise<ClientKeyEntry> {
  let jwk: JWK;
  try {
    jwk = JSON.parse(readFileSync(path, "utf8")) as JWK;
  } catch (cause) {
    const why = cause instanceof SyntaxError ? "it is not JSON" : systemReason(cause);
    throw new CommandError(`The public key ${path} cannot be read: ${why}.`, { cause });
  }
  if (typeof jwk !== "object" || jwk === null || "d" in jwk || "k" in jwk) {
    throw new CommandError(`${path} is no public key; take the private part out and keep it with the client.`);
  }
  return { jwk: { kid: await thumbprintOf(jwk, path), ...jwk }, createdAt: iso(nowMs) };
}

async function thumbprintOf(jwk: JWK, path: string): Promise<string> {
  try {
    return await calculateJwkThumbprint(jwk);
  } catch (cause) {
    throw new CommandError(`${path} is no public key as a JWK (RFC 7517).`, { cause });
  }
}
