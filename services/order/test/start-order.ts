// The order service as main.ts wires it, over real mutual TLS, with a certificate authority and an issuer of the test's.
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bearer, connect, type Presenter } from "@zero-trust/auth/client";
import { newApiKey } from "@zero-trust/auth/issue";
import { jwks, tokenRevocations } from "@zero-trust/auth/server";
import type { DatabaseLocation } from "@zero-trust/database";
import { httpsAgent, identityFromMemory, mutualTlsChannels, mutualTlsHttpsServer } from "@zero-trust/mtls";
import { OrderService } from "@zero-trust/proto/order/v1";
import { type Client, createClient } from "@zero-trust/rpc";
import { createLog, type Serving } from "@zero-trust/server";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import { vi } from "vitest";
import type { OutboxOptions } from "../src/outbox.ts";
import { serveOrders } from "../src/service.ts";
import { openOrders } from "./open-orders.ts";

const trustDomain = "production.internal";
const issuer = "https://issuer.production.internal";
const audience = "https://order.production.internal";
const spiffe = (name: string) => `spiffe://${trustDomain}/${name}`;

/** A running order service, and ways to call it. */
export interface StartedOrder extends AsyncDisposable {
  readonly serving: Serving;
  /** A key of the client `storefront`. */
  readonly apiKey: string;
  /** Tokens that the issuer says are revoked. */
  readonly revoked: { readonly jti: string; readonly exp: number }[];
  /** Its log, a line each. */
  readonly log: readonly string[];
  /** A client with a certificate of this workload, and credentials. */
  clientAs(
    workload: string,
    credentials?: (as: CredentialsOf) => readonly Presenter[],
  ): Promise<Client<typeof OrderService>>;
}

/** Makes the credentials of one workload. */
export interface CredentialsOf {
  /** A token of the client of the workload's name, bound to its certificate. */
  token(scope: string, claims?: { readonly jti: string }): Presenter;
}

/** Starts it; disposing it leaves nothing behind. */
export async function startOrder(
  payments: OutboxOptions["payments"],
  location?: DatabaseLocation,
): Promise<StartedOrder> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "order-service-"));
  opened.defer(() => rmSync(folder, { recursive: true }));
  const ca = await createCa();
  const identityOf = async (name: string) => identityFromMemory(await ca.issue({ spiffeId: spiffe(name) }));
  const tokens = await createTokenIssuer({ issuer });

  const issuerIdentity = await identityOf("issuer");
  const revoked: { readonly jti: string; readonly exp: number }[] = [];
  const documents: Readonly<Record<string, () => unknown>> = {
    "/keys": () => tokens.jwks,
    "/revoked": () => ({ tokens: revoked, clients: [] }),
  };
  const issuerServer = mutualTlsHttpsServer({ identity: issuerIdentity }, ({ url = "" }, response) =>
    response.setHeader("content-type", "application/json").end(JSON.stringify(documents[url]?.())),
  );
  await new Promise<void>((resolve) => issuerServer.listen(0, "127.0.0.1", resolve));
  opened.defer(() => issuerServer.closeAllConnections());
  opened.defer(() => void issuerServer.close());

  const identity = await identityOf("order-service");
  const agent = opened.adopt(httpsAgent({ identity, serverId: spiffe("issuer") }), (it) => it.destroy());
  const { port } = issuerServer.address() as AddressInfo;
  const issuerUrl = `https://127.0.0.1:${port}`;
  const tokenKeys = opened.adopt(jwks({ url: new URL(`${issuerUrl}/keys`), agent }), (keys) => keys.close());
  const revocations = opened.adopt(
    tokenRevocations({ url: new URL(`${issuerUrl}/revoked`), agent, refreshMs: 100 }),
    (list) => list.close(),
  );
  await vi.waitUntil(() => tokenKeys.isReady() && revocations.isReady(), { timeout: 10_000 });
  const apiKey = newApiKey("live");
  const db = opened.adopt(await openOrders(location ?? folder), (it) => it.destroy());
  const log: string[] = [];
  const serving = await serveOrders({
    log: createLog({ name: "order", destination: { write: (line) => void log.push(line) } }),
    identity,
    host: "127.0.0.1",
    port: 0,
    trustDomain,
    issuer,
    tokenKeys,
    revocations,
    grants: { current: () => new Map() },
    apiKeys: {
      find: (id) =>
        id === apiKey.id
          ? {
              id,
              client: "storefront",
              audience,
              scopes: new Set(["read:orders"]),
              secrets: [{ sha256: apiKey.sha256 }],
            }
          : undefined,
    },
    db,
    payments,
  });
  opened.defer(() => serving.close());

  async function clientAs(workload: string, credentials: (as: CredentialsOf) => readonly Presenter[] = () => []) {
    const caller = await identityOf(workload);
    const channels = mutualTlsChannels({
      identity: caller,
      target: `127.0.0.1:${serving.port}`,
      serverId: spiffe("order-service"),
    });
    disposables.defer(() => channels.close());
    const claims = { sub: workload, client_id: workload, aud: audience, cnf: { "x5t#S256": caller.thumbprint } };
    const presenters = credentials({
      token: (scope, more) => bearer({ tokens: { token: () => tokens.sign({ ...claims, ...more, scope }) } }),
    });
    return createClient(OrderService, connect({ channels, credentials: presenters }));
  }

  const disposables = opened.move();
  return {
    serving,
    apiKey: apiKey.key.expose(),
    revoked,
    log,
    clientAs,
    [Symbol.asyncDispose]: () => disposables.disposeAsync(),
  };
}
