import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type Agent, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { inspect } from "node:util";
import { createCa, type IssuedCertificate } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpsAgent, identityFromMemory, mutualTlsHttpsServer, peerOfSocket } from "../src/index.ts";
import { until } from "./until.ts";

const ca = await createCa();
const issuerId = "spiffe://production.internal/issuer";
const issuer = await ca.issue({ spiffeId: issuerId });
const newOrder = () => ca.issue({ spiffeId: "spiffe://production.internal/order-service" });
const crls = async (...revoked: readonly IssuedCertificate[]) =>
  await ca.crls({ revoked: revoked.map(({ cert }) => cert) });
/** The certificates that were shown and the clients' ports, request by request. */
const seen: { readonly thumbprint: string; readonly port: number | undefined }[] = [];
/** Answers of requests to `/held`, which wait for it. */
const held: (() => void)[] = [];
let server: Server;

beforeAll(async () => {
  server = mutualTlsHttpsServer({ identity: identityFromMemory(issuer) }, (incoming, response) => {
    const { thumbprint } = peerOfSocket(incoming.socket as TLSSocket, { trustDomain: "production.internal" });
    seen.push({ thumbprint, port: incoming.socket.remotePort });
    if (incoming.url === "/held") held.push(() => response.end());
    else response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** Asks, and gives back when the answer has been read and the connection is free. */
async function ask(agent: Agent, path: string, certificateThumbprint = ""): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const options = { host: "127.0.0.1", port, path, agent, certificateThumbprint };
  const outgoing = request(options).end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  await until(() => Object.keys(agent.sockets).length === 0);
}

/** Asks a question, has something happen while it is open, and then the answer comes. */
async function askDuring(agent: Agent, certificateThumbprint: string, happens: () => Promise<void>): Promise<void> {
  const asked = ask(agent, "/held", certificateThumbprint);
  await until(() => held.length === 1);
  await happens();
  held.pop()?.();
  await asked;
}

describe("httpsAgent, when certificates change while a request runs", () => {
  test("does not use its connection for a request that asks for the new certificate", async () => {
    const identity = identityFromMemory(await newOrder());
    const agent = httpsAgent({ identity, serverId: issuerId });
    await askDuring(agent, "", async () => identity.replace(await newOrder()));
    await ask(agent, "/", identity.thumbprint);
    expect(seen.at(-1)?.thumbprint).toBe(identity.thumbprint);
    agent.destroy();
  });

  test("forgets its connection, though it no longer has its certificate", async () => {
    const identity = identityFromMemory(await newOrder());
    const agent = httpsAgent({ identity, serverId: issuerId });
    await askDuring(agent, identity.thumbprint, async () => {
      for (let round = 0; round < 5; round += 1) identity.replace(await newOrder());
    });
    expect([Object.keys(agent.sockets), Object.keys(agent.freeSockets)]).toEqual([[], []]);
    agent.destroy();
  });

  test("does not use its connection again after a revocation", async () => {
    const order = await newOrder();
    const identity = identityFromMemory({ ...order, crl: await crls() });
    const agent = httpsAgent({ identity, serverId: issuerId });
    await askDuring(agent, "", async () => identity.replace({ ...order, crl: await crls(issuer) }));
    const { length } = seen;
    await expect(ask(agent, "/")).rejects.toMatchObject({ code: "CERT_REVOKED" });
    expect(seen).toHaveLength(length);
    agent.destroy();
  });

  test("keeps the connections of requests that follow each other", async () => {
    const agent = httpsAgent({ identity: identityFromMemory(await newOrder()), serverId: issuerId });
    await ask(agent, "/");
    await ask(agent, "/");
    expect(seen.at(-1)).toEqual(seen.at(-2));
    agent.destroy();
  });

  test("does not print its key with a request", async () => {
    const agent = httpsAgent({ identity: identityFromMemory(await newOrder()), serverId: issuerId });
    const { port } = server.address() as AddressInfo;
    const outgoing = request({ host: "127.0.0.1", port, agent }).end();
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    const printed = [outgoing, response, response.socket, agent].map((each) => inspect(each, { depth: 6 }));
    expect(printed.filter((each) => each.includes("PRIVATE KEY"))).toEqual([]);
    response.resume();
    await once(response, "end");
    agent.destroy();
  });
});
