import * as http2 from "node:http2";
import { type Client, type ServiceError, status } from "@grpc/grpc-js";
import { createCa } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { Credential, definePolicy } from "../src/index.ts";
import { type Channels, clientOf, outcomeOf, pingBytes, pingPath } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const ca = await createCa();
const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const policies = [definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules })];
const grants = {
  current: () =>
    new Map(["order-service", "reporting"].map((it) => [idOf(it), { client: it, scopes: new Set(["read:test"]) }])),
};
const wait = { timeout: 15_000, interval: 10 };
const bytes = (value: Buffer) => value;
const deadline = () => ({ deadline: Date.now() + 60_000 });
const path = (method: string) => pingPath.replace(/Ping$/, method);

/** One call of each kind that goes on until the server ends it, and how that went. */
const kinds: readonly (readonly [string, (client: Client, ended: (error: ServiceError | null) => void) => void])[] = [
  ["a unary call", (client, ended) => client.makeUnaryRequest(pingPath, bytes, bytes, pingBytes(), deadline(), ended)],
  [
    "a server stream",
    (client, ended) =>
      client
        .makeServerStreamRequest(path("PingMany"), bytes, bytes, pingBytes(), deadline())
        .on("error", ended)
        .on("end", () => ended(null))
        .resume(),
  ],
  [
    "a client stream",
    (client, ended) =>
      client.makeClientStreamRequest(path("PingSum"), bytes, bytes, deadline(), ended).write(pingBytes()),
  ],
  [
    "a bidirectional stream",
    (client, ended) => {
      const call = client.makeBidiStreamRequest(path("PingEach"), bytes, bytes, deadline());
      call
        .on("error", ended)
        .on("end", () => ended(null))
        .resume();
      call.write(pingBytes());
    },
  ],
];

function outcome(channels: Channels, begin: (typeof kinds)[number][1]): Promise<string> {
  return new Promise((resolve) => {
    begin(clientOf(channels), (error) => resolve(error === null ? status[status.OK] : outcomeOf(error)));
  });
}

describe("a call that runs", () => {
  test.each(kinds)("is ended where the peer's certificate is revoked: %s", async (_kind, begin) => {
    await using server = await startPingServer(ca, { policies, grants, credentials: [], holding: true });
    const revoked = await ca.issue({ spiffeId: idOf("order-service") });
    const open = [await server.channels("order-service", revoked), await server.channels("reporting")] as const;
    const [ended, goesOn] = open.map((channels) => outcome(channels, begin));
    await vi.waitUntil(() => server.held.length === 2, wait);
    const lists = [await ca.crl({ issuer: "root" }), await ca.crl({ issuer: "intermediate", revoked: [revoked.cert] })];
    server.identity.replace({ ...server.identity.material, key: server.identity.material.key, crl: lists.join("") });

    // Also when the handler goes on as if nothing had happened.
    expect(await ended).toBe("UNAUTHENTICATED PEER_INVALID");
    await vi.waitUntil(() => server.held[0]?.cancelled, wait);
    expect(server.held[1]?.cancelled).toBe(false);
    expect(server.events.map(({ outcome: found, client, reason }) => ({ found, client, reason }))).toEqual([
      { found: "allowed", client: "order-service", reason: undefined },
      { found: "allowed", client: "reporting", reason: undefined },
      { found: "ended", client: "order-service", reason: "PEER_INVALID" },
    ]);
    expect(server.events.at(-1)?.cause).toMatch(/revoked/);
    for (const channels of open) channels.close();
    expect(await goesOn).toBe("UNAVAILABLE");
  });

  test("is ended when the peer's certificate expires, within seconds", async () => {
    await using server = await startPingServer(ca, { policies, grants, credentials: [], holding: true });
    const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000);
    const brief = await ca.issue({ spiffeId: idOf("order-service"), notAfter });
    const [, , , [, bidi]] = kinds as readonly [unknown, unknown, unknown, (typeof kinds)[number]];
    expect(await outcome(await server.channels("order-service", brief), bidi)).toBe("UNAUTHENTICATED PEER_INVALID");
    // Good through the second that notAfter names, then at most a second until it is looked at, and some for this machine.
    expect(Date.now() - notAfter.getTime()).toBeGreaterThanOrEqual(1000);
    expect(server.events.map((event) => event.outcome)).toEqual(["allowed", "ended"]);
  });

  test("is ended for its handler though the caller does not read, before its connection is cut off", async () => {
    await using server = await startPingServer(ca, { policies, grants, credentials: [], holding: true });
    const revoked = await ca.issue({ spiffeId: idOf("order-service") });
    const session = http2.connect(`https://${server.target}`, {
      ...revoked,
      servername: "ping-service.production.internal",
    });
    const message = pingBytes({ text: "x".repeat(100) });
    const request = session.request({
      ":method": "POST",
      ":path": path("PingMany"),
      "content-type": "application/grpc",
      te: "trailers",
    });
    request.on("error", () => undefined).end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
    await vi.waitUntil(() => server.held.length === 1, wait);
    let connections = 0;
    server.held[0]?.once("cancelled", () => {
      connections = server.connections;
    });
    const lists = [await ca.crl({ issuer: "root" }), await ca.crl({ issuer: "intermediate", revoked: [revoked.cert] })];
    server.identity.replace({ ...server.identity.material, key: server.identity.material.key, crl: lists.join("") });
    await vi.waitUntil(() => server.held[0]?.cancelled, wait);
    expect(connections).toBe(1);
    await vi.waitUntil(() => server.connections === 0, wait);
    session.destroy();
  });
});
