import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newApiKey, newKeyEncryptionKey, newSigningKey, type Secret, sealSigningKeys } from "@zero-trust/auth/issue";
import { exportJWK, generateKeyPair } from "jose";
import { audiences, trustDomain, type Workload, workloads } from "./names.ts";
import { trustBundleOf } from "./pki/authority.ts";
import { initPki } from "./pki/init.ts";
import { issue } from "./pki/issue.ts";
import { readIndex } from "./pki/pki-index.ts";
import type { TlsFiles } from "./pki/tls-folder.ts";
import { type DeclaredHolders, declaredHolders } from "./policy/declared.ts";

/** The secrets of a throwaway deployment, as their holders got them. */
export interface Deployment {
  readonly folder: string;
  /** The roots that every workload trusts now, PEM. */
  readonly ca: { readonly ca: string };
  /** reporting's API key for payment. */
  readonly apiKey: string;
  /** The signing keys of order-service and storefront for payment. */
  readonly signing: Readonly<Record<"order-service" | "storefront", { readonly id: string; readonly secret: Secret }>>;
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
  await initPki({ pki }, { trustDomain, nowMs });
  for (const workload of workloads) {
    await issue(
      { pki },
      { workload, folder: tlsFolder(workload), lifeMs: LEAF_LIFE_MS, nowMs, stage: stagePlainFiles },
    );
  }

  for (const service of ["order", "payment"]) {
    copyFileSync(new URL(`../grants/${service}.json`, import.meta.url), join(folder, service, "grants.json"));
  }

  const { apiKeys, signingKeys, clients } = declaredHolders();
  const keyFiles = {
    order: apiKeyFileFor(apiKeys, audiences.order),
    payment: apiKeyFileFor(apiKeys, audiences.payment),
  };
  for (const [service, { keys }] of Object.entries(keyFiles)) write(`${service}/api-keys.json`, { keys });

  const sealed = signingKeys.map((holder) => ({ ...holder, ...newSigningKey() }));
  const keyEncryptionKey = newKeyEncryptionKey();
  const signing = { "order-service": of(sealed, "order-service"), storefront: of(sealed, "storefront") };
  write("payment/signing-keys.json", sealSigningKeys(sealed, keyEncryptionKey), secret);
  write("payment/key-encryption-key", keyEncryptionKey.expose(), secret);
  write("order/signing-key.json", `${JSON.stringify(ownKey(signing["order-service"]))}\n`, secret);

  const partnerSecret = randomBytes(32).toString("base64url");
  const sha256 = createHash("sha256").update(partnerSecret).digest("hex");
  const withSecrets = clients.map((client) =>
    client.authentication === "client_secret_basic" ? { ...client, secrets: [{ sha256 }] } : client,
  );
  write("issuer/clients.json", { clients: withSecrets });
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), kid: randomBytes(8).toString("hex"), alg: "ES256", use: "sig" };
  const signingKey = { ...jwk, createdAt: new Date(nowMs).toISOString() };
  write("issuer/signing-jwks.json", { keys: [signingKey] }, secret);

  return {
    folder,
    get ca() {
      return { ca: trustBundleOf(readIndex(pki)) };
    },
    apiKey: of(keyFiles.payment.issued, "reporting").key.expose(),
    signing,
    partnerSecret,
    tlsFolder,
    pki,
  };
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

/** A key for each holder, and the file that a service keeps of them. */
function apiKeyFileFor(holders: DeclaredHolders["apiKeys"], service: string) {
  const createdAt = new Date().toISOString();
  const issued = holders
    .filter(({ audience }) => audience === service)
    .map((holder) => ({ ...holder, ...newApiKey("live") }));
  const keys = issued.map(({ key: _, sha256, ...holder }) => ({ ...holder, createdAt, secrets: [{ sha256 }] }));
  return { issued, keys };
}

/** A signing key as whoever signs with it keeps it. */
function ownKey({ id, secret }: { readonly id: string; readonly secret: Secret }) {
  return { id, secret: secret.expose() };
}

/** What a client got. */
function of<T extends { readonly client: string }>(issued: readonly T[], client: Workload): T {
  const found = issued.find((each) => each.client === client);
  if (found === undefined) throw new Error(`Nobody declares that ${client} has one.`);
  return found;
}
