import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { newApiKey } from "@zero-trust/auth/issue";
import { createCa, PingManyRequestSchema, PingRequestSchema, PingService } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CredentialsServer, startCredentialsServer } from "./credentials-server.ts";
import { type SignedClient, type SignedOrder, startSignedClient } from "./signed-client.ts";
import { workloadFolder } from "./workload-folder.ts";

const serverId = "spiffe://production.internal/ping";
const pathOf = (method: string) => `/${PingService.typeName}/${method}`;
const message = toBinary(PingRequestSchema, create(PingRequestSchema, { text: "Zürich" }));
const vectors = (name: string) => fileURLToPath(new URL(`../../docs/vectors/${name}`, import.meta.url));

describe("a client in Python, written from the contract", () => {
  let server: CredentialsServer;
  let client: SignedClient;
  let folder: string;

  beforeAll(async () => {
    const ca = await createCa();
    server = await startCredentialsServer(ca, serverId);
    folder = await workloadFolder(ca, "spiffe://production.internal/caller");
    client = startSignedClient({ port: server.port, folder, serverId });
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  /** Calls Ping, unless the order says otherwise: how each call ended, and how many reached the handler. */
  async function ping(order: Partial<SignedOrder>) {
    const before = server.handled.length;
    const ended = await client.call({ path: pathOf("Ping"), message, ...order });
    const outcomes = ended.map(({ code, reason }) => (reason === undefined ? code : `${code} ${reason}`));
    return { outcomes, ended, handled: server.handled.length - before };
  }
  const served = { outcomes: ["OK"], handled: 1 };
  const refused = { outcomes: ["UNAUTHENTICATED CREDENTIAL_INVALID"], handled: 0 };

  test("signs as the vectors have it", async () => {
    const { tried, wrong } = await client.tryVectors(vectors("hmac.json"));
    expect(wrong).toEqual([]);
    expect(tried).toBeGreaterThanOrEqual(12);
  });
  test("knows an API key as the vectors have it", async () => {
    const { tried, wrong } = await client.tryVectors(vectors("api-key.json"));
    expect(wrong).toEqual([]);
    expect(tried).toBeGreaterThanOrEqual(20);
  });

  test("is let in by its signature, and its handler sees the message", async () => {
    expect(await ping({ sign: server.signingKey })).toMatchObject(served);
    expect(server.handled.at(-1)).toBe("Zürich");
  });
  test("is let in to a stream of answers by its signature", async () => {
    const request = toBinary(PingManyRequestSchema, create(PingManyRequestSchema, { text: "a", count: 3 }));
    const order = { path: pathOf("PingMany"), message: request, stream: true, sign: server.signingKey };
    expect((await ping(order)).ended).toEqual([{ code: "OK", answers: 3 }]);
  });
  test("is let in once with the same nonce", async () => {
    const outcomes = ["OK", "UNAUTHENTICATED CREDENTIAL_REPLAYED"];
    expect(await ping({ sign: server.signingKey, times: 2 })).toMatchObject({ outcomes, handled: 1 });
  });
  test.each(["x-signature", "x-nonce", "x-timestamp"])("is refused with one bit of %s changed", async (flip) => {
    expect(await ping({ sign: server.signingKey, flip })).toMatchObject(refused);
  });
  test("is refused with one bit of the message changed", async () => {
    const other = Uint8Array.from(message, (byte, at) => (at === message.length - 1 ? byte ^ 1 : byte));
    expect(await ping({ sign: { ...server.signingKey, message: other } })).toMatchObject(refused);
  });
  test("is refused with a signature for another method", async () => {
    expect(await ping({ sign: { ...server.signingKey, path: pathOf("PingMany") } })).toMatchObject(refused);
  });
  test("reads the server's clock where its own is wrong", async () => {
    const timestamp = String(Math.floor(Date.now() / 1000) - 600);
    const { ended, handled } = await ping({ sign: { ...server.signingKey, timestamp } });
    expect(handled).toBe(0);
    expect(ended).toMatchObject([{ code: "UNAUTHENTICATED", reason: "CREDENTIAL_EXPIRED" }]);
    const corrected = ended[0]?.metadata?.["server_time"] ?? "";
    expect(await ping({ sign: { ...server.signingKey, timestamp: corrected } })).toMatchObject(served);
  });

  test("is let in by its API key, and not by another one", async () => {
    expect(await ping({ metadata: { "x-api-key": server.apiKey } })).toMatchObject(served);
    expect(await ping({ metadata: { "x-api-key": newApiKey("live").key.expose() } })).toMatchObject(refused);
    const typo = server.apiKey.slice(0, -1) + (server.apiKey.endsWith("0") ? "1" : "0");
    expect(await ping({ metadata: { "x-api-key": typo } })).toMatchObject(refused);
  });
  test("is let in by a token for its certificate, and not by another's", async () => {
    const { raw } = new X509Certificate(readFileSync(join(folder, "tls.crt")));
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", new Uint8Array(raw))).toString("base64url");
    const bearing = async (thumbprint: string) =>
      ping({ metadata: { authorization: `Bearer ${await server.token(thumbprint)}` } });
    expect(await bearing(digest)).toMatchObject(served);
    expect(await bearing("A".repeat(43))).toMatchObject(refused);
  });
  test("is told what is missing without any", async () => {
    const outcomes = ["UNAUTHENTICATED CREDENTIAL_MISSING"];
    expect(await ping({})).toMatchObject({ outcomes, handled: 0 });
  });
});
