import { once } from "node:events";
import { createServer, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { TLSSocket } from "node:tls";
import { createCa, type IssuedCertificate } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { attempt } from "../test/echo.ts";
import { httpsAgent, httpsServerOptions } from "./https.ts";
import { PeerError, peerOfSocket } from "./peer.ts";
import { identityFromMemory } from "./tls-identity.ts";

const ca = await createCa();
const stranger = await createCa({ name: "Strange" });
const issuerId = "spiffe://production.internal/issuer";
const orderId = "spiffe://production.internal/order-service";
const order = await ca.issue({ spiffeId: orderId });
const identity = identityFromMemory(await ca.issue({ spiffeId: issuerId }));
let now = Date.now;
let requests = 0;
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer(httpsServerOptions({ identity }), (incoming, response) => {
    requests += 1;
    const { socket } = incoming;
    try {
      if (!(socket instanceof TLSSocket)) {
        throw new TypeError("not TLS");
      }
      response.end(peerOfSocket(socket, { trustDomain: "production.internal", now: () => now() }).spiffeId);
    } catch (error) {
      response.statusCode = error instanceof PeerError ? 401 : 500;
      response.end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as AddressInfo).port;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function get(material: IssuedCertificate, serverId = issuerId): Promise<string> {
  const agent = httpsAgent({ identity: identityFromMemory(material), serverId });
  return new Promise<string>((resolve, reject) => {
    // What one request asks for does not weaken its agent.
    const options = { host: "127.0.0.1", port, agent, rejectUnauthorized: false };
    const outgoing = request({ ...options, checkServerIdentity: () => undefined }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part) => {
        body += String(part);
      });
      response.on("end", () => resolve(`${response.statusCode} ${body}`));
    });
    outgoing.on("error", reject);
    outgoing.end();
  }).finally(() => agent.destroy());
}

describe("httpsServerOptions and httpsAgent", () => {
  test("tell the server who is calling", async () => {
    expect(await get(order)).toBe(`200 ${orderId}`);
  });

  test("refuse a server that is another workload, before the request", async () => {
    const before = requests;
    await expect(get(order, "spiffe://production.internal/payment-service")).rejects.toThrow(
      `The server is ${issuerId}, not spiffe://production.internal/payment-service.`,
    );
    expect(requests).toBe(before);
  });

  test("refuse a server of another CA, before the request", async () => {
    const before = requests;
    const material = { ...order, ca: stranger.ca };
    await expect(get(material)).rejects.toThrow(/certificate/);
    expect(requests).toBe(before);
  });

  test("refuse a server of another CA also where the environment says to take any", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    try {
      await expect(get({ ...order, ca: stranger.ca })).rejects.toThrow(/certificate/);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("refuse a client of another CA, one without a certificate, and TLS 1.2", async () => {
    const before = requests;
    const http = { ALPNProtocols: ["http/1.1"] };
    const strange = { ...(await stranger.issue({ spiffeId: orderId })), ca: ca.ca };
    expect((await attempt(port, { ...strange, ...http })).served).toBe(false);
    expect((await attempt(port, { ca: ca.ca, ...http })).served).toBe(false);
    expect((await attempt(port, { ...order, ...http, maxVersion: "TLSv1.2" })).served).toBe(false);
    expect(requests).toBe(before);
    expect(await get(order)).toBe(`200 ${orderId}`);
  });

  test("do not take a certificate that has expired meanwhile, or of another trust domain", async () => {
    expect(await get(await ca.issue({ spiffeId: "spiffe://staging.internal/order" }))).toBe("401 ");
    now = () => Date.now() + 48 * 3_600_000;
    expect(await get(order)).toBe("401 ");
    now = Date.now;
    expect(await get(order)).toBe(`200 ${orderId}`);
  });
});
