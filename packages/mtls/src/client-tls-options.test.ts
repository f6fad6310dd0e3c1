import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type ConnectionOptions, connect, createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { inspect } from "node:util";
import { createCa } from "@zero-trust/testkit";
import { expect, onTestFinished, test, vi } from "vitest";
import { clientTlsOptions } from "./client-tls-options.ts";
import { parsePeer } from "./peer.ts";
import { identityFromMemory } from "./tls-identity.ts";
import { serverTlsOptions } from "./tls-policy.ts";

const ca = await createCa();
const serverId = "spiffe://production.internal/payment-service";
const server = identityFromMemory(await ca.issue({ spiffeId: serverId }));
const client = await ca.issue({ spiffeId: "spiffe://production.internal/order-service" });
const identity = identityFromMemory(client);

/** Starts a TLS server, connects to it, and says as whom it sees us. */
async function connected(options: ConnectionOptions, serving: TlsOptions = serverTlsOptions(server)): Promise<string> {
  const seen = Promise.withResolvers<string>();
  const listening = createServer(serving, (accepted: TLSSocket) => {
    accepted.on("error", () => undefined);
    const peer = parsePeer(accepted.getPeerX509Certificate()?.raw ?? Buffer.alloc(0));
    seen.resolve(peer.spiffeId);
  }).listen(0, "127.0.0.1");
  await once(listening, "listening");
  onTestFinished(() => void listening.close());
  const socket = connect({ ...options, host: "127.0.0.1", port: (listening.address() as AddressInfo).port });
  onTestFinished(() => void socket.destroy());
  await once(socket, "secureConnect");
  return await seen.promise;
}

test("shows our certificate to the server that is meant", async () => {
  expect(await connected(clientTlsOptions({ identity, serverId }))).toBe("spiffe://production.internal/order-service");
});

test("refuses another workload", async () => {
  const meant = "spiffe://production.internal/issuer";
  const connecting = connected(clientTlsOptions({ identity, serverId: meant }));
  await expect(connecting).rejects.toThrow(`The server is ${serverId}, not ${meant}.`);
});

test("refuses a server of another CA, also where the environment says to take any", async () => {
  const foreign = identityFromMemory(await (await createCa()).issue({ spiffeId: serverId }));
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  onTestFinished(() => void vi.unstubAllEnvs());
  const connecting = connected(clientTlsOptions({ identity, serverId }), serverTlsOptions(foreign));
  await expect(connecting).rejects.toThrow(/certificate/u);
});

test("refuses TLS 1.2", async () => {
  const old = { ...serverTlsOptions(server), minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;
  await expect(connected(clientTlsOptions({ identity, serverId }), old)).rejects.toThrow(/alert protocol version/u);
});

test("has no private key to print", () => {
  const printed = inspect(clientTlsOptions({ identity, serverId }), { depth: null, showHidden: true });
  expect(printed).not.toContain(client.key.split("\n")[1]);
});
