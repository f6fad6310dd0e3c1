import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityFromMemory, type TlsMaterial } from "@zero-trust/mtls";
import { createLog } from "@zero-trust/server";
import { createCa, type LeafOptions, type TestCa } from "@zero-trust/testkit";
import { exportJWK, generateKeyPair } from "jose";
import { listen } from "../src/listen.ts";
import { createIssuer, readClients, readSigningKeys } from "../src/service.ts";

export const issuer = "https://issuer.production.internal";
export const trustDomain = "production.internal";
export const orders = "https://order.production.internal";
export const payments = "https://payment.production.internal";

/** The clients file of the tests. */
export function clientsDocument(partnerSecret: string): object {
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
        secretSha256: createHash("sha256").update(partnerSecret).digest("hex"),
        audiences: { [orders]: ["read:orders"] },
      },
    ],
  };
}

/** A private JWK Set with one key, and the key alone. */
export async function newSigningKey(kid: string): Promise<Record<string, unknown>> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: "ES256", use: "sig" };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

export interface AskOptions {
  /** Whose certificate is shown; none when null. */
  readonly as: TlsMaterial | null;
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface StartedIssuer extends AsyncDisposable {
  readonly ca: TestCa;
  readonly port: number;
  readonly partnerSecret: string;
  /** The log, a record a line. */
  readonly lines: string[];
  readonly storefront: TlsMaterial;
  readonly orderService: TlsMaterial;
  readonly partner: TlsMaterial;
  issue(leaf: LeafOptions): Promise<TlsMaterial>;
  ask(options: AskOptions): Promise<Answer>;
}

/** A real issuer on a free port of the loopback interface. */
export async function startIssuer(): Promise<StartedIssuer> {
  const ca = await createCa();
  const workload = (name: string) => ca.issue({ spiffeId: `spiffe://production.internal/${name}` });
  const identity = await workload("issuer");
  const partnerSecret = randomBytes(32).toString("base64url");
  const lines: string[] = [];
  const directory = mkdtempSync(join(tmpdir(), "issuer-"));
  const clientsFile = join(directory, "clients.json");
  const keysFile = join(directory, "signing.jwks.json");
  writeFileSync(clientsFile, JSON.stringify(clientsDocument(partnerSecret)));
  writeFileSync(keysFile, JSON.stringify({ keys: [await newSigningKey("now"), await newSigningKey("next")] }));
  const server = createIssuer({
    log: createLog({ name: "issuer", destination: { write: (line) => lines.push(line) } }),
    identity: identityFromMemory(identity),
    trustDomain,
    issuer,
    clients: readClients(clientsFile, { trustDomain }),
    signingKeys: readSigningKeys(keysFile),
  });
  rmSync(directory, { recursive: true });
  const { port, close } = await listen(server, { host: "127.0.0.1", port: 0 });
  return {
    ca,
    port,
    partnerSecret,
    lines,
    storefront: await workload("storefront"),
    orderService: await workload("order-service"),
    partner: await workload("partner"),
    issue: (leaf) => ca.issue(leaf),
    ask: (options) => ask({ port, ca: ca.ca, ...options }),
    [Symbol.asyncDispose]: close,
  };
}

/** One request over a connection of its own. */
function ask(options: AskOptions & { readonly port: number; readonly ca: string }): Promise<Answer> {
  const { as, port, ca, method = "POST", path = "/oauth/token", body, headers } = options;
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: "127.0.0.1",
        port,
        servername: "issuer.production.internal",
        ca,
        ...(as === null ? {} : { cert: as.cert, key: as.key }),
        agent: false,
        method,
        path,
        headers: {
          host: "issuer.production.internal",
          ...(body === undefined
            ? {}
            : { "content-type": "application/x-www-form-urlencoded", "content-length": Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("error", reject);
        response.on("end", () => {
          const parsed = text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : { text };
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed });
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}
