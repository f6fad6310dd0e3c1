import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { promisify } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { createCa, extendedKeyUsage, type LeafOptions } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { attempt, callAs, callEcho, carelessChannel, echoServer } from "../test/echo.ts";
import { liveConnectionCount } from "./connections.ts";
import { mutualTlsServer } from "./server.ts";
import { identityFromMemory } from "./tls-identity.ts";

const ca = await createCa();
const stranger = await createCa({ name: "Strange" });
const spiffeId = "spiffe://production.internal/order-service";
const material = await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" });
const caller = await ca.issue({ spiffeId });
const MINUTE_MS = 60_000;
const ago = (minutes: number) => new Date(Date.now() - minutes * MINUTE_MS);
const ahead = (minutes: number) => ago(-minutes);

/** Until the condition holds. */
const until = (condition: () => boolean) => vi.waitUntil(condition, { timeout: 5000, interval: 5 });

describe("mutualTlsServer", () => {
  test("serves a client with a certificate of our CA", async () => {
    await using echo = await echoServer({ material });
    expect(await callAs(echo.port, caller)).toEqual({ code: grpc.status.OK, text: "hello" });
    expect(echo.peers).toMatchObject([{ spiffeId, trustDomain: "production.internal" }]);
    expect(echo.door.refusedHandshakes).toBe(0);
  });

  const bad = async (options: LeafOptions): Promise<ConnectionOptions> => ({
    ...(await ca.issue({ spiffeId, ...options })),
    ca: ca.ca,
  });

  test.each<[string, () => Promise<ConnectionOptions>, string]>([
    ["no client certificate", async () => ({ ca: ca.ca }), "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"],
    [
      "a certificate of another CA with the same SPIFFE ID",
      async () => ({ ...(await stranger.issue({ spiffeId })), ca: ca.ca }),
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    ],
    ["a self-signed certificate", () => bad({ selfSigned: true }), "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["an expired certificate", () => bad({ notBefore: ago(60), notAfter: ago(1) }), "CERT_HAS_EXPIRED"],
    [
      "a certificate that is not yet valid",
      () => bad({ notBefore: ahead(10), notAfter: ahead(60) }),
      "CERT_NOT_YET_VALID",
    ],
    ["an extended key usage of serverAuth only", () => bad({ eku: [extendedKeyUsage.serverAuth] }), "INVALID_PURPOSE"],
    ["an extended key usage of codeSigning", () => bad({ eku: [extendedKeyUsage.codeSigning] }), "INVALID_PURPOSE"],
    ["an extended key usage of any", () => bad({ eku: [extendedKeyUsage.any] }), "INVALID_PURPOSE"],
    ["a chain without its intermediate", () => bad({ withoutIntermediate: true }), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["a chain longer than the CA allows", () => bad({ extraIntermediate: true }), "PATH_LENGTH_EXCEEDED"],
    ["a certificate signed by a leaf", () => bad({ issuedByLeaf: true }), "UNSPECIFIED"],
    ["TLS 1.2", () => Promise.resolve({ ...caller, maxVersion: "TLSv1.2" as const }), "ERR_SSL_UNSUPPORTED_PROTOCOL"],
    [
      "a client that speaks only HTTP/1.1",
      () => Promise.resolve({ ...caller, ALPNProtocols: ["http/1.1"] }),
      "ERR_SSL_NO_APPLICATION_PROTOCOL",
    ],
    ["a client that offers no protocol", () => Promise.resolve({ ...caller, ALPNProtocols: [] }), "ALPN_MISMATCH"],
  ])("refuses %s, and counts it once", async (_what, options, cause) => {
    await using echo = await echoServer({ material });
    expect((await attempt(echo.port, await options())).served).toBe(false);
    await until(() => echo.refused.length > 0);
    expect(echo.refused).toMatchObject([{ remoteAddress: "127.0.0.1", cause }]);
    expect(echo.door.refusedHandshakes).toBe(1);
    // The same done right.
    expect((await attempt(echo.port, caller)).served).toBe(true);
    expect(echo.door.refusedHandshakes).toBe(1);
    expect(echo.peers).toEqual([]);
  });

  test.each<[string, (socket: Socket) => void]>([
    ["plaintext HTTP/2", (socket) => socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
    ["a client that says nothing", () => {}],
    ["a client that hangs up", (socket) => socket.end()],
    ["a client that resets", (socket) => socket.resetAndDestroy()],
  ])(
    "drops %s, and counts it once",
    async (_what, act) => {
      await using echo = await echoServer({ material, handshakeTimeoutMs: 200 });
      const socket = connect(echo.port, "127.0.0.1").resume();
      socket.on("error", () => {});
      const closed = once(socket, "close");
      await once(socket, "connect");
      act(socket);
      await closed;
      await until(() => echo.refused.length > 0);
      expect((await callAs(echo.port, caller)).code).toBe(grpc.status.OK);
      expect(echo.door.refusedHandshakes).toBe(1);
    },
    15_000,
  );

  test("refuses an expired certificate with a session of when it was good", async () => {
    await using echo = await echoServer({ material });
    // A certificate's dates are whole seconds: this one has three to four to live.
    const end = new Date(Math.floor(Date.now() / 1000) * 1000 + 4000);
    const brief = await ca.issue({ spiffeId, notAfter: end });
    const first = await attempt(echo.port, brief);
    expect(first.served).toBe(true);
    await until(() => Date.now() > end.getTime() + 1000);
    const session = first.session === undefined ? {} : { session: first.session };
    const second = await attempt(echo.port, { ...brief, ...session });
    expect(second).toMatchObject({ served: false, reused: false });
    await until(() => echo.door.refusedHandshakes === 1);
    expect(echo.refused).toMatchObject([{ cause: "CERT_HAS_EXPIRED" }]);
  });

  test("never resumes a session", async () => {
    await using echo = await echoServer({ material });
    const first = await attempt(echo.port, caller);
    const session = first.session === undefined ? {} : { session: first.session };
    expect(await attempt(echo.port, { ...caller, ...session })).toMatchObject({
      served: true,
      reused: false,
    });
  });

  test("lets a running call end before it is closed, and takes no other", async () => {
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    await using echo = await echoServer({
      material,
      before: () => {
        begun.resolve();
        return gate.promise;
      },
    });
    const running = callAs(echo.port, caller);
    await begun.promise;
    let closed = false;
    const closing = echo.door.close().then(() => {
      closed = true;
    });
    expect((await attempt(echo.port, caller)).served).toBe(false);
    // This does not wait for the call, which is why close() has to.
    await promisify(echo.server.tryShutdown.bind(echo.server))();
    expect(closed).toBe(false);
    gate.resolve();
    expect((await running).code).toBe(grpc.status.OK);
    await closing;
    expect(closed).toBe(true);
  });

  test("cuts off what is still running after the time to drain", async () => {
    const begun = Promise.withResolvers<void>();
    await using echo = await echoServer({
      material,
      drainMs: 50,
      before: () => {
        begun.resolve();
        return Promise.withResolvers<void>().promise;
      },
    });
    const running = callAs(echo.port, caller);
    await begun.promise;
    await echo.door.close();
    expect((await running).code).not.toBe(grpc.status.OK);
  });

  test("ends connections that say nothing when it closes", async () => {
    await using echo = await echoServer({ material });
    const silent = connect(echo.port, "127.0.0.1").resume();
    const ended = once(silent, "close");
    const idle = carelessChannel(echo.port, caller);
    await callEcho(idle);
    await until(() => liveConnectionCount() === 1);
    await echo.door.close();
    await ended;
    idle.close();
    await until(() => liveConnectionCount() === 0);
    expect(echo.refused).toEqual([]);
  });

  test("says in a sentence that the port is in use", async () => {
    await using echo = await echoServer({ material });
    const door = mutualTlsServer({
      identity: identityFromMemory(material),
      server: new grpc.Server(),
    });
    await expect(door.listen({ host: "127.0.0.1", port: echo.port })).rejects.toThrow(
      `Port ${echo.port} of 127.0.0.1 is in use; stop what uses it or choose another.`,
    );
    await door.close();
  });
});
