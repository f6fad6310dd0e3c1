import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { createCa } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { identityFromMemory, type MutualTlsChannelsOptions, mutualTlsChannels } from "../src/index.ts";
import { callAs, callEcho, echoServer } from "./echo.ts";
import { until } from "./until.ts";

const ca = await createCa();
const payment = await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" });
const order = await ca.issue({ spiffeId: "spiffe://production.internal/order-service" });
const reporting = await ca.issue({ spiffeId: "spiffe://production.internal/reporting" });
const ok = { code: grpc.status.OK, text: "hello" };

/** Connections that are kept open and say nothing. */
function idlers() {
  const open: Socket[] = [];
  const keep = (socket: Socket) => open.push(socket.on("error", () => undefined).resume());
  return {
    tcp: (port: number) => keep(connectTcp({ port, host: "127.0.0.1" })),
    tls: (port: number, options: ConnectionOptions) =>
      keep(
        connect({ port, host: "127.0.0.1", ALPNProtocols: ["h2"], checkServerIdentity: () => undefined, ...options }),
      ),
    async [Symbol.asyncDispose]() {
      for (const socket of open) {
        const closed = socket.closed ? undefined : once(socket, "close");
        socket.destroy();
        await closed;
      }
    },
  };
}

describe("mutualTlsServer", () => {
  test("gives up the oldest handshakes when there are too many, and serves whoever comes", async () => {
    await using echo = await echoServer({ material: payment, maxPendingHandshakes: 5 });
    await using idle = idlers();
    for (let count = 0; count < 20; count += 1) idle.tcp(echo.port);
    await until(() => echo.refused.length === 15);
    expect(new Set(echo.refused.map(({ cause }) => cause))).toEqual(new Set(["TOO_MANY_HANDSHAKES"]));
    expect(await callAs(echo.port, order)).toEqual(ok);
    expect(echo.door.refusals.get("TOO_MANY_HANDSHAKES")).toBe(echo.door.refusedHandshakes);
  });

  test("lets no workload have more than its part of the connections, and the others have theirs", async () => {
    await using echo = await echoServer({ material: payment, maxConnections: 8 });
    await using idle = idlers();
    for (let count = 0; count < 6; count += 1) idle.tls(echo.port, order);
    await until(() => echo.refused.length === 2);
    expect(echo.refused.map(({ cause }) => cause)).toEqual(Array(2).fill("TOO_MANY_CONNECTIONS_OF_PEER"));
    expect(echo.door.connections).toBe(4);
    expect((await callAs(echo.port, order)).code).toBe(grpc.status.UNAVAILABLE);
    expect(await callAs(echo.port, reporting)).toEqual(ok);
  });

  test("has room again when connections have closed", async () => {
    await using echo = await echoServer({ material: payment, maxConnectionsPerPeer: 1 });
    for (let count = 0; count < 3; count += 1) {
      expect(await callAs(echo.port, order)).toEqual(ok);
      await until(() => echo.door.connections === 0);
    }
    expect(echo.refused).toEqual([]);
  });

  test("accepts no more connections than it is allowed, and counts those that it closes", async () => {
    await using echo = await echoServer({ material: payment, maxConnections: 2, maxConnectionsPerPeer: 2 });
    {
      await using idle = idlers();
      idle.tls(echo.port, order);
      idle.tls(echo.port, order);
      await until(() => echo.door.connections === 2);
      expect((await callAs(echo.port, reporting)).code).toBe(grpc.status.UNAVAILABLE);
      expect(echo.refused[0]).toMatchObject({ remoteAddress: "127.0.0.1", cause: "TOO_MANY_CONNECTIONS" });
    }
    await until(() => echo.door.connections === 0);
    expect(await callAs(echo.port, reporting)).toEqual(ok);
  });
});

describe("a chain of two intermediates", async () => {
  const deep = await createCa({ rootPathLength: 2 });
  const shallow = await deep.issue({ spiffeId: "spiffe://production.internal/order-service" });
  const server = await deep.issue({ spiffeId: "spiffe://production.internal/payment-service" });
  const chain = { spiffeId: "spiffe://production.internal/order-service", intermediates: 2 };

  test("is one too many for a server whose root allows one, as OpenSSL sees to", async () => {
    await using echo = await echoServer({ material: payment });
    expect((await callAs(echo.port, await ca.issue(chain))).code).toBe(grpc.status.UNAVAILABLE);
    expect(echo.refused).toMatchObject([{ cause: "PATH_LENGTH_EXCEEDED" }]);
    expect(await callAs(echo.port, order)).toEqual(ok);
    await using lax = await echoServer({ material: server });
    expect(await callAs(lax.port, await deep.issue(chain))).toEqual(ok);
  });

  test("is one too many for a client, unless it is told otherwise", async () => {
    await using echo = await echoServer({ material: await deep.issue(chain) });
    const call = async (options: Partial<MutualTlsChannelsOptions>) => {
      const channels = mutualTlsChannels({
        identity: identityFromMemory(shallow),
        target: `127.0.0.1:${echo.port}`,
        serverId: chain.spiffeId,
        ...options,
      });
      const answer = await callEcho(channels.channel());
      channels.close();
      return answer;
    };
    expect(await call({})).toMatchObject({
      code: grpc.status.UNAVAILABLE,
      text: expect.stringContaining("too many intermediates") as string,
    });
    expect(await call({ maxIntermediates: 2 })).toEqual(ok);
  });
});
