import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newApiKey, newKeyEncryptionKey, newSigningKey, sealSigningKeys } from "@zero-trust/auth/issue";
import { exportJWK, generateKeyPair } from "jose";
import { audiences, spiffeIdOf, trustDomain, type Workload, workloads } from "./names.ts";
import { trustBundleOf } from "./pki/authority.ts";
import { initPki } from "./pki/init.ts";
import { issue } from "./pki/issue.ts";
import type { TlsFiles } from "./pki/tls-folder.ts";

/** The secrets of a throwaway deployment, as their holders got them. */
export interface Deployment {
  readonly folder: string;
  /** The roots that every workload trusts, PEM. */
  readonly ca: { readonly ca: string };
  /** reporting's API key for payment. */
  readonly apiKey: string;
  /** The signing keys of order-service and storefront for payment. */
  readonly signing: Readonly<Record<"order-service" | "storefront", { readonly id: string; readonly secret: string }>>;
  /** partner's client secret at the issuer. */
  readonly partnerSecret: string;
  /** The folder of a workload's `tls.crt`, `tls.key`, `ca.crt` and `ca.crl`. */
  tlsFolder(workload: Workload): string;
  /** What `pnpm zt pki` calls PKI: with it a running deployment's certificates can be renewed and revoked. */
  readonly pki: string;
}

const readable = { mode: 0o644 };
const secret = { mode: 0o600 };
const LEAF_LIFE_MS = 24 * 3_600_000;

/**
 * Writes a whole deployment into an empty folder: PKI, grants, API keys, signing keys, clients of the issuer.
 *
 * @param folder - an empty folder; everything in it may be thrown away afterwards
 */
export async function writeDeployment(folder: string): Promise<Deployment> {
  const tlsFolder = (workload: Workload) => join(folder, "pki", workload);
  const write = (path: string, content: unknown, mode = readable) => {
    writeFileSync(
      join(folder, path),
      typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`,
      mode,
    );
  };
  for (const service of ["issuer", "order", "payment"]) mkdirSync(join(folder, service), { recursive: true });

  const pki = join(folder, "pki-authority");
  const nowMs = Date.now();
  const index = await initPki({ pki }, { trustDomain, nowMs });
  for (const workload of workloads) {
    await issue(
      { pki },
      { workload, folder: tlsFolder(workload), lifeMs: LEAF_LIFE_MS, nowMs, stage: stagePlainFiles },
    );
  }

  for (const service of ["order", "payment"]) {
    copyFileSync(new URL(`../grants/${service}.json`, import.meta.url), join(folder, service, "grants.json"));
  }

  const forOrder = newApiKey("live");
  const forPayment = newApiKey("live");
  write("order/api-keys.json", { keys: [apiKeyRecord(forOrder, audiences.order, "read:orders")] });
  write("payment/api-keys.json", { keys: [apiKeyRecord(forPayment, audiences.payment, "read:transactions")] });

  const signing = { "order-service": newSigningKey(), storefront: newSigningKey() };
  const keyEncryptionKey = newKeyEncryptionKey();
  const sealed = sealSigningKeys(
    [
      {
        ...signing["order-service"],
        client: "order-service",
        audience: audiences.payment,
        scopes: ["read:transactions", "write:payments"],
      },
      { ...signing.storefront, client: "storefront", audience: audiences.payment, scopes: ["read:transactions"] },
    ],
    keyEncryptionKey,
  );
  write("payment/signing-keys.json", sealed, secret);
  write("payment/key-encryption-key", keyEncryptionKey, secret);
  write("order/signing-secret", signing["order-service"].secret, secret);

  const partnerSecret = randomBytes(32).toString("base64url");
  write("issuer/clients.json", { clients: issuerClients(partnerSecret) });
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: randomBytes(8).toString("hex"), alg: "ES256", use: "sig" };
  write("issuer/signing-jwks.json", { keys: [jwk] }, secret);

  return { folder, ca: { ca: trustBundleOf(index) }, apiKey: forPayment.key, signing, partnerSecret, tlsFolder, pki };
}

/** Files and no links: what is copied into a volume or a test's folder is a copy. */
function stagePlainFiles(folder: string, files: TlsFiles) {
  const publish = () => {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(folder, name), content, name === "tls.key" ? secret : readable);
    }
  };
  return { publish, discard: () => undefined };
}

function apiKeyRecord(key: { readonly id: string; readonly sha256: string }, audience: string, scope: string) {
  const { id, sha256 } = key;
  const createdAt = new Date().toISOString();
  return { id, client: "reporting", audience, scopes: [scope], createdAt, secrets: [{ sha256 }] };
}

function issuerClients(partnerSecret: string) {
  const client = (clientId: Workload, authentication: string, audience: string, scopes: readonly string[]) => ({
    clientId,
    spiffeId: spiffeIdOf(clientId),
    authentication,
    audiences: { [audience]: scopes },
  });
  const secretSha256 = createHash("sha256").update(partnerSecret).digest("hex");
  return [
    client("storefront", "tls_client_auth", audiences.order, ["read:orders", "write:orders"]),
    client("order-service", "tls_client_auth", audiences.payment, ["read:transactions", "write:payments"]),
    { ...client("partner", "client_secret_basic", audiences.order, ["read:orders", "write:orders"]), secretSha256 },
  ];
}
