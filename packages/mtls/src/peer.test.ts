import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { createCa, type LeafOptions } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { callAs, callEcho, carelessChannel, echoServer } from "../test/echo.ts";
import { type Peer, PeerError, parsePeer, peerOf, peerOfSocket } from "./peer.ts";

const ca = await createCa();
const spiffeId = "spiffe://production.internal/order-service";
const material = await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" });
const caller = await ca.issue({ spiffeId });
const raw = new X509Certificate(caller.cert).raw;
const trustDomain = "production.internal";

/** A call that is on no connection of ours. */
const callOf = (der: Uint8Array | undefined) => ({
  getAuthContext: () => (der === undefined ? {} : { sslPeerCertificate: { raw: der } }),
  getConnectionInfo: () => ({}),
});

describe("parsePeer", () => {
  test("reads a client's X509-SVID", () => {
    expect(parsePeer(raw)).toMatchObject({ spiffeId, trustDomain });
  });

  test("throws PeerError for anything else", () => {
    expect(() => parsePeer(Buffer.from("nothing"))).toThrow(PeerError);
  });
});

describe("peerOf", () => {
  test.each<[string, LeafOptions]>([
    ["no extended key usage", { eku: null }],
    ["a CA certificate as leaf", { basicConstraintsCa: true }],
    ["keyCertSign", { keyUsage: ["digitalSignature", "keyCertSign"] }],
    ["two URI SANs", { uris: [spiffeId, "spiffe://production.internal/b"] }],
    ["no URI SAN but a CN of that name", { uris: [], dns: [], commonName: spiffeId }],
    ["another trust domain", { spiffeId: "spiffe://staging.internal/order-service" }],
    ["a trust domain that begins with ours", { spiffeId: "spiffe://production.internal.evil/a" }],
    ["a comma in its SAN", { uris: [`${spiffeId},URI:x`] }],
  ])("refuses a call of a certificate with %s", async (_what, leaf) => {
    await using echo = await echoServer({ material });
    const bad = await ca.issue({ spiffeId, ...leaf });
    expect((await callAs(echo.port, bad)).code).toBe(grpc.status.UNAUTHENTICATED);
    expect(echo.peers[0]).toBeInstanceOf(PeerError);
    // It is the call that was refused, and the same done right is served.
    expect(echo.door.refusedHandshakes).toBe(0);
    expect((await callAs(echo.port, caller)).code).toBe(grpc.status.OK);
  });

  test("refuses the next call of a connection whose certificate has expired", async () => {
    let now = Date.now();
    await using echo = await echoServer({ material, now: () => now });
    const channel = carelessChannel(echo.port, caller);
    const { notAfterMs } = parsePeer(raw);
    now = notAfterMs;
    expect((await callEcho(channel)).code).toBe(grpc.status.OK);
    now = notAfterMs + 1000;
    expect((await callEcho(channel)).code).toBe(grpc.status.UNAUTHENTICATED);
    channel.close();
    expect(echo.door.refusedHandshakes).toBe(0);
  });

  test("parses once a connection", async () => {
    await using echo = await echoServer({ material });
    const channel = carelessChannel(echo.port, caller);
    await callEcho(channel);
    await callEcho(channel);
    channel.close();
    expect(echo.peers).toHaveLength(2);
    expect(echo.peers[1]).toBe(echo.peers[0]);
  });

  test("keeps two connections apart", async () => {
    await using echo = await echoServer({ material });
    const other = await ca.issue({ spiffeId: "spiffe://production.internal/storefront" });
    const channels = [carelessChannel(echo.port, caller), carelessChannel(echo.port, other)];
    for (const channel of [...channels, ...channels]) {
      await callEcho(channel);
    }
    for (const channel of channels) {
      channel.close();
    }
    expect(echo.peers.map((peer) => "spiffeId" in peer && peer.spiffeId)).toEqual([
      spiffeId,
      "spiffe://production.internal/storefront",
      spiffeId,
      "spiffe://production.internal/storefront",
    ]);
  });

  test("takes the certificate of the call where the connection is not ours", () => {
    expect(peerOf(callOf(raw), { trustDomain })).toMatchObject({ spiffeId });
    expect(peerOf(callOf(raw), { trustDomain })).toBe(peerOf(callOf(raw), { trustDomain }));
  });

  test("refuses a call of an expired certificate where the connection is not ours", () => {
    const { notAfterMs } = parsePeer(raw);
    expect(peerOf(callOf(raw), { trustDomain, now: () => notAfterMs }).spiffeId).toBe(spiffeId);
    expect(() => peerOf(callOf(raw), { trustDomain, now: () => notAfterMs + 1000 })).toThrow(PeerError);
  });

  test("refuses a call without a certificate", () => {
    expect(() => peerOf(callOf(undefined), { trustDomain })).toThrow(PeerError);
  });

  test("keeps to the first answer for a call, whoever gets its addresses next", () => {
    const connection = {};
    let der = raw;
    const call = {
      getAuthContext: () => ({ sslPeerCertificate: { raw: der } }),
      getConnectionInfo: () => connection,
    };
    expect(peerOf(call, { trustDomain }).spiffeId).toBe(spiffeId);
    der = new X509Certificate(material.cert).raw;
    expect(peerOf(call, { trustDomain }).spiffeId).toBe(spiffeId);
  });
});

describe("peerOfSocket", () => {
  const serve = async (authorities: string) => {
    const peers: (Peer | Error)[] = [];
    const server = tls.createServer(
      { cert: material.cert, key: material.key, ca: authorities, requestCert: true, rejectUnauthorized: false },
      (socket) => {
        try {
          peers.push(peerOfSocket(socket, { trustDomain }));
        } catch (error) {
          peers.push(error as Error);
        }
        socket.end();
      },
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { cert, key } = caller;
    const socket = tls.connect({ host: "127.0.0.1", port, cert, key, rejectUnauthorized: false });
    await once(socket.resume(), "close");
    server.close();
    return peers;
  };

  test("refuses a certificate that did not verify, which a careless server may have let in", async () => {
    const { ca: another } = await (await createCa()).issue({ spiffeId });
    expect(await serve(another)).toEqual([expect.any(PeerError)]);
    expect(await serve(caller.ca)).toEqual([expect.objectContaining({ spiffeId })]);
  });
});
