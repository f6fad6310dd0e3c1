import { createPrivateKey } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { workloads } from "@zero-trust/infra/names";
import type { JWK } from "jose";
import type { Stack } from "../stack/stack.ts";

/** Every secret of a deployment by its name, without what is not secret of it: the public ids of keys, the frames of PEM. */
export function canariesOf({ deployment }: Stack): ReadonlyMap<string, Buffer> {
  const { folder, pki, apiKey, signing, partnerSecret } = deployment;
  const text = (value: string) => Buffer.from(value, "latin1");
  const privateNumber = (pem: string) =>
    Buffer.from(createPrivateKey(pem).export({ format: "jwk" }).d ?? "", "base64url");
  const read = (...path: string[]) => readFileSync(join(...path), "utf8");
  const { keys: issuerKeys } = JSON.parse(read(folder, "issuer/signing-jwks.json")) as { keys: JWK[] };
  return new Map([
    ["the API key", text(apiKey.replace(/^sk-live-[a-z0-9]+-/, ""))],
    ...Object.entries(signing).map(
      ([client, { secret }]) => [`the signing secret of ${client}`, text(secret.expose().slice("hs-".length))] as const,
    ),
    ["the client secret of partner", text(partnerSecret)],
    ["the key that seals signing keys", text(read(folder, "payment/key-encryption-key").trim())],
    ...issuerKeys.map(({ d = "" }) => ["the private key of the issuer's tokens", Buffer.from(d, "base64url")] as const),
    ...workloads.map(
      (workload) =>
        [`the private key of ${workload}`, privateNumber(read(deployment.tlsFolder(workload), "tls.key"))] as const,
    ),
    ...globSync("*-keys/*.key", { cwd: pki }).map(
      (file) => [`the private key of a CA, ${file}`, privateNumber(read(pki, file))] as const,
    ),
  ]);
}
