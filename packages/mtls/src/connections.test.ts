import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { Connection, liveConnection, liveConnectionCount, rememberConnection } from "./connections.ts";
import { uriSan } from "./identity-rule.ts";
import type { Trust } from "./trust.ts";

/** A TCP connection as two TLS sockets that have not shaken hands; who is authorized is the test's to say. */
async function connection() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connectTcp((server.address() as AddressInfo).port, "127.0.0.1");
  const accepted = once(server, "connection");
  await once(client, "connect");
  await accepted;
  const open = (authorized: boolean) => {
    const socket = new TLSSocket(client);
    socket.authorized = authorized;
    return socket;
  };
  return {
    open,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      for (const [socket] of [await accepted]) {
        (socket as typeof client).destroy();
      }
      server.close();
      await once(server, "close");
    },
  };
}

const trusting: Trust = { complaint: () => undefined, tightens: () => false };
const remember = (socket: TLSSocket, trust = trusting): Connection => {
  const connection = new Connection(socket, { trust, identityRule: uriSan });
  rememberConnection(connection);
  return connection;
};

const addressesOf = ({ localAddress, localPort, remoteAddress, remotePort }: TLSSocket) => ({
  localAddress,
  localPort,
  remoteAddress,
  remotePort,
});

describe("rememberConnection", () => {
  test("finds a connection by its addresses until it closes", async () => {
    await using tcp = await connection();
    const socket = tcp.open(true);
    const addresses = addressesOf(socket);
    const remembered = remember(socket);
    expect(liveConnection(addresses)).toBe(remembered);
    expect(liveConnection({ ...addresses, remotePort: 1 })).toBeUndefined();
    expect(liveConnection({})).toBeUndefined();
    socket.destroy();
    expect(liveConnection(addresses)).toBeUndefined();
    await once(socket, "close");
    expect(liveConnectionCount()).toBe(0);
  });

  test("remembers no connection that is not authorized", async () => {
    await using tcp = await connection();
    const socket = tcp.open(false);
    remember(socket);
    expect(liveConnectionCount()).toBe(0);
  });

  test("does not forget a connection when an older one of the same addresses closes late", async () => {
    await using tcp = await connection();
    const [older, newer] = [tcp.open(true), tcp.open(true)];
    remember(older);
    const remembered = remember(newer);
    older.emit("close", false);
    expect(liveConnection(addressesOf(newer))).toBe(remembered);
    newer.emit("close", false);
    expect(liveConnectionCount()).toBe(0);
  });
});

describe("Connection", () => {
  test("is asked again when what is trusted has changed, and when time has passed, but not for every call", async () => {
    await using tcp = await connection();
    const asked: number[] = [];
    const trust = (complaint?: string): Trust => ({
      ...trusting,
      complaint: (_chain, nowMs) => {
        asked.push(nowMs);
        return complaint;
      },
    });
    let current = trust();
    const peer = new Connection(tcp.open(true), {
      identityRule: uriSan,
      get trust() {
        return current;
      },
    });
    expect([peer.complaint(0), peer.complaint(999)]).toEqual([undefined, undefined]);
    expect(asked).toEqual([0]);
    expect(peer.complaint(1000)).toBeUndefined();
    expect(asked).toEqual([0, 1000]);
    current = trust("Revoked.");
    expect(peer.complaint(1001)).toBe("Revoked.");
    // A clock that was set back does not keep an old answer.
    expect(peer.complaint(-5000)).toBe("Revoked.");
    expect(asked).toEqual([0, 1000, 1001, -5000]);
  });
});
