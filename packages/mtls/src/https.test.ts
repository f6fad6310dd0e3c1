import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request, type Server } from "node:https";
import type { AddressInfo, LookupFunction } from "node:net";
import { text } from "node:stream/consumers";
import { TLSSocket } from "node:tls";
import { createCa, type IssuedCertificate } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { attempt } from "../test/echo.ts";
import { httpsAgent, mutualTlsHttpsServer } from "./https.ts";
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
/** The certificates that were shown, request by request. */
const shown: string[] = [];
let server: Server;
let port: number;

beforeAll(async () => {
  server = mutualTlsHttpsServer({ identity }, (incoming, response) => {
    requests += 1;
    const { socket } = incoming;
    try {
      if (!(socket instanceof TLSSocket)) {
        throw new TypeError("not TLS");
      }
      const peer = peerOfSocket(socket, { trustDomain: "production.internal", now: () => now() });
      shown.push(peer.thumbprint);
      response.end(peer.spiffeId);
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

/** A name with these addresses, in this order. */
const nameOf =
  (...addresses: readonly string[]): LookupFunction =>
  (_host, options, callback) => {
    const found = addresses.map((address) => ({ address, family: 4 }));
    if (options.all === true) callback(null, found);
    else callback(null, found[0]?.address ?? "", 4);
  };

test("an agent tries every address of a name: one of several servers may be gone", async () => {
  const agent = httpsAgent({ identity: identityFromMemory(order), serverId: issuerId });
  // Nobody listens at the first.
  const lookup = nameOf("127.0.0.9", "127.0.0.1");
  const outgoing = request({ host: "issuer.production.internal", port, agent, lookup }).end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  expect(await text(response)).toBe(orderId);
  agent.destroy();
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

describe("mutualTlsHttpsServer and httpsAgent", () => {
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
    await expect(get(await stranger.issue({ spiffeId: orderId }))).rejects.toThrow(/certificate/);
    expect(requests).toBe(before);
  });

  test("refuse a server of another CA also where the environment says to take any", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    try {
      await expect(get(await stranger.issue({ spiffeId: orderId }))).rejects.toThrow(/certificate/);
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

  test("show a new certificate with the next request, and the one from before where it is asked for", async () => {
    const client = identityFromMemory(order);
    const agent = httpsAgent({ identity: client, serverId: issuerId });
    const before = client.thumbprint;
    const ask = (certificateThumbprint?: string) =>
      new Promise<string>((resolve, reject) => {
        const options = { host: "127.0.0.1", port, agent, certificateThumbprint };
        request(options, (response) => response.resume().once("end", () => resolve(shown.at(-1) ?? "")))
          .on("error", reject)
          .end();
      });
    expect(await ask()).toBe(before);
    client.replace(await ca.issue({ spiffeId: orderId }));
    expect(await ask()).toBe(client.thumbprint);
    expect(await ask(before)).toBe(before);
    await expect(ask("never heard of")).rejects.toThrow(/no such certificate/);
    agent.destroy();
  });

  test("follow a revocation list: the server with the next handshake and the next request", async () => {
    const revoked = await ca.issue({ spiffeId: orderId });
    const agent = httpsAgent({ identity: identityFromMemory(revoked), serverId: issuerId });
    const ask = () =>
      new Promise<number | undefined>((resolve, reject) => {
        request({ host: "127.0.0.1", port, agent }, (response) => {
          response.resume().once("end", () => resolve(response.statusCode));
        })
          .on("error", reject)
          .end();
      });
    const lists = async (serials: readonly string[]) =>
      `${await ca.crl({ issuer: "root" })}${await ca.crl({ issuer: "intermediate", revoked: serials })}`;
    expect(await ask()).toBe(200);
    identity.replace({ ...identity.material, key: identity.material.key, crl: await lists([revoked.cert]) });
    // Its idle connection was closed; that the next one is refused, a client hears as an alert or as a hang-up.
    const before = requests;
    await expect(ask()).rejects.toThrow(Error);
    await expect(ask()).rejects.toThrow(Error);
    expect(requests).toBe(before);
    expect(await get(order)).toBe(`200 ${orderId}`);
    agent.destroy();
  });
});
