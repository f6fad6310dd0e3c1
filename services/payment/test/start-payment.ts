// The payment service as main.ts wires it, over real mutual TLS, with a certificate authority and an issuer of the test's.
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bearer, connect, hmac, type Presenter } from "@zero-trust/auth/client";
import { newApiKey, newSigningKey } from "@zero-trust/auth/issue";
import { jwks, memoryNonceStore, signingSecret, tokenRevocations } from "@zero-trust/auth/server";
import { type DatabaseLocation, openDatabase } from "@zero-trust/database";
import { httpsAgent, identityFromMemory, mutualTlsChannels, mutualTlsHttpsServer } from "@zero-trust/mtls";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { type Client, createClient } from "@zero-trust/rpc";
import { createLog, type Serving } from "@zero-trust/server";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import { vi } from "vitest";
import { migrations, type PaymentSchema } from "../src/migrations.ts";
import { type PaymentDependencies, servePayments } from "../src/service.ts";
import { simulatedAcquirer } from "../src/simulated-acquirer.ts";

const trustDomain = "production.internal";
const issuer = "https://issuer.production.internal";
const audience = "https://payment.production.internal";
const spiffe = (name: string) => `spiffe://${trustDomain}/${name}`;

/** A running payment service, and ways to call it. */
export interface StartedPayment extends AsyncDisposable {
  readonly serving: Serving;
  /** A key of the client `reporting`. */
  readonly apiKey: string;
  /** A client with a certificate of this workload, and the credentials that are made for it. */
  clientAs(
    workload: string,
    credentials?: (as: CredentialsOf) => readonly Presenter[],
  ): Promise<Client<typeof PaymentService>>;
  countCharges(): Promise<number>;
}

/** Makes the credentials of one workload. */
export interface CredentialsOf {
  /** A token of the client of the workload's name, bound to its certificate. */
  token(scope: string, claims?: { readonly jti: string }): Presenter;
  /** The signing key of order-service. */
  signature(): Presenter;
}

/** Starts it; disposing it leaves nothing behind. */
export async function startPayment(
  options: Pick<PaymentDependencies, "apiKeyUses" | "decisions"> = {},
  places: { readonly database?: DatabaseLocation; readonly acquirer?: DatabaseLocation } = {},
): Promise<StartedPayment> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "payment-service-"));
  opened.defer(() => rmSync(folder, { recursive: true }));
  const ca = await createCa();
  const identityOf = async (name: string) => identityFromMemory(await ca.issue({ spiffeId: spiffe(name) }));
  const tokens = await createTokenIssuer({ issuer });

  const issuerIdentity = await identityOf("issuer");
  const documents: Readonly<Record<string, () => unknown>> = {
    "/keys": () => tokens.jwks,
    "/revoked": () => ({ tokens: [], clients: [] }),
  };
  const issuerServer = mutualTlsHttpsServer({ identity: issuerIdentity }, ({ url = "" }, response) =>
    response.setHeader("content-type", "application/json").end(JSON.stringify(documents[url]?.())),
  );
  await new Promise<void>((resolve) => issuerServer.listen(0, "127.0.0.1", resolve));
  opened.defer(() => issuerServer.closeAllConnections());
  opened.defer(() => void issuerServer.close());

  const identity = await identityOf("payment-service");
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
  const signing = newSigningKey();
  const { database = { file: join(folder, "payment.db") }, acquirer: bank = { file: join(folder, "acquirer.db") } } =
    places;
  const db = opened.adopt(await openDatabase<PaymentSchema>({ ...database, migrations }), (it) => it.destroy());
  const acquirer = opened.adopt(await simulatedAcquirer(bank), (it) => it.close());
  const write = new Set(["write:payments"]);
  const read = new Set(["read:transactions"]);
  const serving = await servePayments({
    log: createLog({ name: "payment", destination: { write: () => undefined } }),
    identity,
    host: "127.0.0.1",
    port: 0,
    trustDomain,
    issuer,
    tokenKeys,
    revocations,
    grants: {
      current: () =>
        new Map([
          [spiffe("order-service"), { client: "order-service", scopes: new Set([...write, ...read]) }],
          [spiffe("storefront"), { client: "storefront", scopes: read }],
          [spiffe("partner"), { client: "partner", scopes: read }],
        ]),
    },
    apiKeys: {
      find: (id) =>
        id === apiKey.id
          ? { id, client: "reporting", audience, scopes: read, secrets: [{ sha256: apiKey.sha256 }] }
          : undefined,
    },
    signingKeys: {
      find: (id) =>
        id === signing.id
          ? { id, client: "order-service", audience, scopes: write, secret: signingSecret(signing.secret) }
          : undefined,
    },
    // As one that has been there for a while: a fresh one refuses the first seconds.
    nonces: memoryNonceStore({ now: () => Date.now() - 60_000 }),
    db,
    acquirer,
    ...options,
  });
  opened.defer(() => serving.close());

  async function clientAs(workload: string, credentials: (as: CredentialsOf) => readonly Presenter[] = () => []) {
    const caller = await identityOf(workload);
    const channels = mutualTlsChannels({
      identity: caller,
      target: `127.0.0.1:${serving.port}`,
      serverId: spiffe("payment-service"),
    });
    disposables.defer(() => channels.close());
    const claims = { sub: workload, client_id: workload, aud: audience, cnf: { "x5t#S256": caller.thumbprint } };
    const presenters = credentials({
      token: (scope, more) => bearer({ tokens: { token: () => tokens.sign({ ...claims, ...more, scope }) } }),
      signature: () => hmac({ keyId: signing.id, secret: signing.secret }),
    });
    return createClient(PaymentService, connect({ channels, credentials: presenters }));
  }

  const disposables = opened.move();
  return {
    serving,
    apiKey: apiKey.key.expose(),
    clientAs,
    countCharges: () => acquirer.countCharges(),
    [Symbol.asyncDispose]: () => disposables.disposeAsync(),
  };
}
