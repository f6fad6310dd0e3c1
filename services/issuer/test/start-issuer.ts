import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DatabaseLocation, openDatabase } from "@zero-trust/database";
import { identityFromMemory, type TlsMaterial } from "@zero-trust/mtls";
import { createLog } from "@zero-trust/server";
import { createCa, type LeafOptions, type TestCa } from "@zero-trust/testkit";
import { exportJWK, generateKeyPair } from "jose";
import type { Kysely } from "kysely";
import { listen } from "../src/listen.ts";
import {
  clientsFile,
  createIssuer,
  type IssuerSchema,
  migrations,
  revocationsFile,
  signingKeysFile,
} from "../src/service.ts";
import { type Asking, ask } from "./ask.ts";
import { databaseOf } from "./test-database.ts";

export const issuer = "https://issuer.production.internal";
export const trustDomain = "production.internal";
export const orders = "https://order.production.internal";
export const payments = "https://payment.production.internal";

/** A file of clients, as a test may change it. */
export interface ClientsDocument {
  readonly clients: Record<string, unknown>[];
}

/** The clients file of the tests. */
export function clientsDocument(partnerSecret: string): ClientsDocument {
  return {
    clients: [
      {
        clientId: "storefront",
        spiffeId: "spiffe://production.internal/storefront",
        authentication: "tls_client_auth",
        audiences: { [orders]: ["read:orders", "write:orders"] },
      },
      {
        clientId: "order-service",
        spiffeId: "spiffe://production.internal/order-service",
        authentication: "tls_client_auth",
        audiences: { [payments]: ["write:payments", "read:transactions"], [orders]: ["read:orders"] },
      },
      {
        clientId: "partner",
        spiffeId: "spiffe://production.internal/partner",
        authentication: "client_secret_basic",
        secrets: [{ sha256: sha256Of(partnerSecret) }],
        audiences: { [orders]: ["read:orders"] },
      },
    ],
  };
}

/** What a clients file has of a secret. */
export function sha256Of(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** A private JWK Set with one key, and the key alone. */
export async function newSigningKey(kid: string): Promise<Record<string, unknown>> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: "ES256", use: "sig" };
}

export interface StartedIssuer extends Asking, AsyncDisposable {
  readonly ca: TestCa;
  readonly port: number;
  readonly partnerSecret: string;
  /** The log, a record a line. */
  readonly lines: string[];
  readonly partner: TlsMaterial;
  readonly server: Server;
  /** Its database. */
  readonly db: Kysely<IssuerSchema>;
  issue(leaf: LeafOptions): Promise<TlsMaterial>;
  /** Writes a file and lets the issuer look at it. */
  change(file: IssuerFile, content: object): Promise<void>;
  refresh(): Promise<void>;
}

export type IssuerFile = keyof typeof files;

const files = {
  clients: "clients.json",
  keys: "signing-jwks.json",
  revocations: "revocations.json",
} as const;

/** Writes a file of an issuer's folder. */
export function writeIssuerFile(folder: string, file: IssuerFile, content: object): void {
  writeFileSync(join(folder, files[file]), JSON.stringify(content), { mode: 0o600 });
}

/** What may differ from one start to the next. */
export interface StartOptions {
  /** A folder that another issuer has left; a new one, which is removed afterwards, unless given. */
  readonly folder?: string;
  readonly ca?: TestCa;
  /** That of the folder unless given. */
  readonly database?: DatabaseLocation;
  readonly keys?: readonly Record<string, unknown>[];
  readonly now?: () => number;
  /** Goes with `now` unless given. */
  readonly monotonicMs?: () => number;
  readonly refreshMs?: number;
}

/** A real issuer on a free port of the loopback interface; it looks at its files when it is told to. */
export async function startIssuer(options: StartOptions = {}): Promise<StartedIssuer> {
  const { ca = await createCa(), now = Date.now, monotonicMs = now, refreshMs = 3_600_000 } = options;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "issuer-"));
  const workload = (name: string) => ca.issue({ spiffeId: `spiffe://production.internal/${name}` });
  const partnerSecret = randomBytes(32).toString("base64url");
  const lines: string[] = [];
  const path = (file: IssuerFile) => join(folder, files[file]);
  if (!existsSync(path("clients"))) {
    writeIssuerFile(folder, "clients", clientsDocument(partnerSecret));
    writeIssuerFile(folder, "keys", {
      keys: options.keys ?? [await newSigningKey("now"), await newSigningKey("next")],
    });
    writeIssuerFile(folder, "revocations", { tokens: [], clients: [] });
  }
  const log = createLog({ name: "issuer", destination: { write: (line) => lines.push(line) } });
  const onError = (err: Error) => log.warn({ err }, "the version before stays in force");
  const db = await openDatabase<IssuerSchema>({ ...(options.database ?? (await databaseOf(folder))), migrations });
  const { server, refresh, close } = await createIssuer({
    log,
    identity: identityFromMemory(await workload("issuer")),
    trustDomain,
    issuer,
    clients: clientsFile(path("clients"), { trustDomain, onError }),
    signingKeys: signingKeysFile(path("keys"), { onError }),
    revocations: revocationsFile(path("revocations"), { onError }),
    db,
    refreshMs,
    now,
    monotonicMs,
  });
  const listening = await listen(server, { host: "127.0.0.1", port: 0 });
  return {
    ca,
    port: listening.port,
    partnerSecret,
    lines,
    storefront: await workload("storefront"),
    orderService: await workload("order-service"),
    partner: await workload("partner"),
    server,
    db,
    issue: (leaf) => ca.issue(leaf),
    ask: (request) => ask({ port: listening.port, ca: ca.ca, ...request }),
    async change(file, content) {
      writeIssuerFile(folder, file, content);
      await refresh();
    },
    refresh,
    async [Symbol.asyncDispose]() {
      await listening.close();
      await close();
      await db.destroy();
      if (options.folder === undefined) rmSync(folder, { recursive: true });
    },
  };
}
