import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { inspect } from "node:util";
import * as grpc from "@grpc/grpc-js";
import { createCa, type IssuedCertificate } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { identityFromMemory, mutualTlsHttpsServer, mutualTlsServer } from "../src/index.ts";
import { callEcho, echoServer } from "./echo.ts";
import { until } from "./until.ts";

const ca = await createCa();
const leaving = await createCa({ name: "Leaving" });
const orderId = "spiffe://production.internal/order-service";
const payment = await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" });
const order = await ca.issue({ spiffeId: orderId });
const ok = { code: grpc.status.OK, text: "hello" };

/** A TCP connection that does not close its side when the server closes its own. */
async function stubborn(port: number): Promise<Socket> {
  const socket = connectTcp({ port, host: "127.0.0.1", allowHalfOpen: true }).on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** The handshake over it; it takes any server. */
async function shakeHands(socket: Socket, { cert, key }: IssuedCertificate, protocol: string): Promise<TLSSocket> {
  const options = { socket, cert, key, ca: ca.ca, ALPNProtocols: [protocol], checkServerIdentity: () => undefined };
  const secured = connect(options).on("error", () => undefined);
  await once(secured, "secureConnect");
  return secured;
}

/** HTTP/2's preface and an empty SETTINGS frame (RFC 9113 §3.4): enough to be a connection. */
const HELLO = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
]);

describe("a server of which something ceases to be trusted", () => {
  test("keeps no connection whose handshake began before and ended after", async () => {
    const identity = identityFromMemory({ ...payment, ca: ca.ca + leaving.ca });
    await using echo = await echoServer({ identity, drainMs: 100 });
    const socket = await stubborn(echo.port);
    const other = await stubborn(echo.port);
    // Both have their place in the server's queue of handshakes, with the authorities of now.
    await until(() => echo.refused.length === 0 && socket.readyState === "open" && other.readyState === "open");
    const served = await callEchoOnce(echo.port);
    expect(served).toEqual(ok);
    identity.replace(payment);
    const secured = await shakeHands(socket, await leaving.issue({ spiffeId: orderId }), "h2");
    secured.write(HELLO);
    secured.resume();
    // Node lets it in by the authorities of the handshake's beginning.
    await until(() => echo.door.connections === 1);
    await until(() => echo.door.connections === 0);
    secured.destroy();
    other.destroy();
  });
});

async function callEchoOnce(port: number) {
  const pair = { key: Buffer.from(order.key), cert: Buffer.from(order.cert) };
  const credentials = grpc.credentials.createSsl(Buffer.from(ca.ca), pair.key, pair.cert, {
    checkServerIdentity: () => undefined,
  });
  const channel = new grpc.Channel(`127.0.0.1:${port}`, credentials, { "grpc.use_local_subchannel_pool": 1 });
  try {
    return await callEcho(channel);
  } finally {
    channel.close();
  }
}

describe("close()", () => {
  test("does not wait for a client that keeps its side open", async () => {
    const echo = await echoServer({ material: payment, drainMs: 100 });
    const secured = await shakeHands(await stubborn(echo.port), order, "h2");
    secured.write(HELLO);
    secured.resume();
    await until(() => echo.door.connections === 1);
    await echo.door.close();
    await until(() => echo.door.connections === 0);
    expect(echo.refused).toEqual([]);
    echo.server.forceShutdown();
    secured.destroy();
  });

  test("of an HTTPS server does not wait for a request that never ends", async () => {
    const server = mutualTlsHttpsServer({ identity: identityFromMemory(payment), drainMs: 100 }, () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const secured = await shakeHands(await stubborn((server.address() as AddressInfo).port), order, "http/1.1");
    secured.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    await once(server, "request");
    const closed = once(server, "close");
    server.close();
    await closed;
    expect(server.listening).toBe(false);
    secured.destroy();
  });
});

describe("a server", () => {
  test("outlives what its log of refusals throws", async () => {
    const warned = once(process, "warning");
    const door = mutualTlsServer({
      identity: identityFromMemory(payment),
      server: new grpc.Server(),
      onRefused: () => {
        throw new Error("the log is full");
      },
    });
    const port = await door.listen({ host: "127.0.0.1", port: 0 });
    const socket = await stubborn(port);
    socket.write("GET / HTTP/1.1\r\n\r\n");
    expect(String(await warned)).toContain("the log is full");
    expect(door.refusedHandshakes).toBe(1);
    socket.destroy();
    await door.close();
  });

  test("does not print its key with a request", async () => {
    const printed: string[] = [];
    const server = mutualTlsHttpsServer({ identity: identityFromMemory(payment) }, (incoming, response) => {
      printed.push(...[incoming, incoming.socket, server].map((each) => inspect(each, { depth: 6 })));
      response.end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { cert, key } = order;
    const options = {
      port,
      host: "127.0.0.1",
      ca: ca.ca,
      cert,
      key,
      agent: false,
      checkServerIdentity: () => undefined,
    };
    const outgoing = request(options).end();
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    response.resume();
    expect(printed).toHaveLength(3);
    expect(printed.filter((each) => each.includes("PRIVATE KEY"))).toEqual([]);
    server.closeAllConnections();
    server.close();
  });
});
