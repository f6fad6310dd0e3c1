import { once } from "node:events";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import { TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { liveConnection, liveConnectionCount, rememberConnection } from "./connections.ts";

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
    rememberConnection(socket);
    expect(liveConnection(addresses)).toBe(socket);
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
    rememberConnection(socket);
    expect(liveConnectionCount()).toBe(0);
  });

  test("does not forget a connection when an older one of the same addresses closes late", async () => {
    await using tcp = await connection();
    const [older, newer] = [tcp.open(true), tcp.open(true)];
    rememberConnection(older);
    rememberConnection(newer);
    older.emit("close", false);
    expect(liveConnection(addressesOf(newer))).toBe(newer);
    newer.emit("close", false);
    expect(liveConnectionCount()).toBe(0);
  });
});
