import { createHash, randomBytes } from "node:crypto";
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CommandError } from "../command-line/command-error.ts";
import { type Deployment, writeDeployment } from "../deployment.ts";
import type { Workload } from "../names.ts";
import { scramVerifier } from "./scram-verifier.ts";

/** What `docker compose` needs to know of a deployment; nothing of it is a secret. */
export interface ComposeEnvironment {
  /** Whom the files belong to, and as whom the containers run: `uid:gid`. */
  readonly ZT_USER: string;
  readonly ZT_DEPLOYMENT: string;
  readonly COMPOSE_PROJECT_NAME: string;
}

/** A deployment for infra/compose. */
export interface ComposeDeployment {
  readonly deployment: Deployment;
  readonly environment: ComposeEnvironment;
}

/** The databases of each service, in order of its needs; the role is the workload. */
const databases = {
  issuer: { role: "issuer", databases: ["issuer"] },
  payment: { role: "payment-service", databases: ["payment", "acquirer"] },
  order: { role: "order-service", databases: ["order"] },
} as const satisfies Readonly<Record<string, { readonly role: Workload; readonly databases: readonly string[] }>>;

/** What a service that verifies calls does to keys besides reading what is revoked; none lists, flushes or configures. */
const counting =
  "%R~zt:revoked:* -@all +info +time +eval +evalsha +eval_ro +evalsha_ro +get +set +exists +hgetall +hdel +hincrby +expire";

/** The user of each service in Valkey, and what it may do there (README of packages/auth): nonces and limits, or revoking. */
const valkeyUsers = {
  issuer: { user: "issuer", may: "~zt:revoked:* -@all +info +eval +evalsha +set" },
  payment: { user: "payment-service", may: `~zt:nonce:* ~zt:limit:* ${counting}` },
  order: { user: "order-service", may: `~zt:limit:* ${counting}` },
} as const satisfies Readonly<Record<string, { readonly user: Workload; readonly may: string }>>;

/** Who reads what in a container; the folders of everybody else stay those of whoever prepares. */
const mounted = ["issuer", "payment", "order", "postgres", "valkey"] as const;
const mountedTls = ["issuer", "payment-service", "order-service", "postgres", "valkey"] as const;

/** The user of the images, for root, as whom no container runs. */
const IMAGE_USER = 65_532;
const secret = { mode: 0o600 };

/**
 * Writes everything that infra/compose mounts: certificates, grants, keys, a password a service and what PostgreSQL and Valkey
 * keep of it. Its owner alone can read it; when that is root, the containers' part belongs to the user of the images.
 *
 * @param folder - made when it is not there
 * @throws {CommandError} when there is something in the folder
 */
export async function prepareCompose(folder: string): Promise<ComposeDeployment> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (readdirSync(folder).length > 0) {
    throw new CommandError(
      `${resolve(folder)} is not empty, and its keys may be in use; remove it for another deployment.`,
    );
  }
  const deployment = await writeDeployment(folder);
  const write = (path: string, content: string) => writeFileSync(join(folder, path), content, secret);
  for (const each of ["postgres", "valkey", "clients"]) mkdirSync(join(folder, each));

  const roles = Object.entries(databases).map(([service, { role, databases: names }]) => {
    const password = newPassword();
    write(`${service}/database-password`, password);
    return roleStatements(role, scramVerifier(password), names);
  });
  write("postgres/roles.sql", `${roles.join("\n")}\n`);
  write("postgres/superuser-password", newPassword());

  const users = Object.entries(valkeyUsers).map(([service, { user, may }]) => {
    const password = newPassword();
    write(`${service}/valkey-password`, password);
    const sha256 = createHash("sha256").update(password).digest("hex");
    return `user ${user} on #${sha256} resetkeys resetchannels ${may}`;
  });
  // Whoever has a certificate may ask whether it lives: what a health check needs, and no more.
  const all = ["user default off", "user health on nopass resetkeys resetchannels -@all +ping", ...users];
  write("valkey/users.acl", `${all.join("\n")}\n`);

  write("clients/reporting-api-key", deployment.apiKey);
  write("clients/partner-secret", deployment.partnerSecret);
  write("clients/storefront-signing-secret", deployment.signing.storefront.secret.expose());

  const owner = ownerOf(folder);
  if (owner !== undefined) {
    for (const each of mounted) give(join(folder, each), owner);
    for (const each of mountedTls) give(deployment.tlsFolder(each), owner);
  }
  const [uid, gid] = owner === undefined ? [process.getuid?.(), process.getgid?.()] : [owner, owner];
  return {
    deployment,
    environment: {
      ZT_USER: `${uid ?? IMAGE_USER}:${gid ?? IMAGE_USER}`,
      ZT_DEPLOYMENT: resolve(folder),
      COMPOSE_PROJECT_NAME: "zero-trust",
    },
  };
}

/** In an `.env` file, which is for `docker compose` and no shell. */
export function environmentFile(environment: ComposeEnvironment): string {
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return `${lines.join("\n")}\n`;
}

/** Its role owns a service's databases and can do nothing besides: not connect to others, not make any. */
function roleStatements(role: string, verifier: string, names: readonly string[]): string {
  return [
    `CREATE ROLE "${role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '${verifier}';`,
    ...names.flatMap((name) => [
      `CREATE DATABASE "${name}" OWNER "${role}";`,
      `REVOKE ALL ON DATABASE "${name}" FROM PUBLIC;`,
    ]),
  ].join("\n");
}

function newPassword(): string {
  return randomBytes(32).toString("base64url");
}

/** The user to give files to; undefined where they are the right one's already. */
function ownerOf(folder: string): number | undefined {
  return lstatSync(folder).uid === 0 && process.getuid?.() === 0 ? IMAGE_USER : undefined;
}

function give(folder: string, owner: number): void {
  chownSync(folder, owner, owner);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chownSync(join(entry.parentPath, entry.name), owner, owner);
  }
}
