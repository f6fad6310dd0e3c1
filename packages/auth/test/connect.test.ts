import { credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { identityFromMemory, type MutualTlsChannels, mutualTlsChannels } from "@zero-trust/mtls";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import { apiKey, bearer, connect, hmac } from "../src/client.ts";
import { newSigningKey } from "../src/hmac/keys.ts";
import { Credential, definePolicy, type Rule } from "../src/index.ts";
import * as server from "../src/server.ts";
import { type Channels, clientOf, ping, pingBytes, pingPath } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const audience = "https://ping.production.internal";
const key = newApiKey("live");
const byKey: Rule[] = [{ credentials: [Credential.API_KEY], scopes: [] }];
const policies = [definePolicy(pingDefinition, { Ping: byKey, PingMany: byKey, PingSum: byKey, PingEach: byKey })];
const find = (id: string) =>
  id === key.id
    ? { id, client: "reporting", audience, scopes: new Set<string>(), secrets: [{ sha256: key.sha256 }] }
    : undefined;
const grants = { current: () => new Map() };

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
const start = () =>
  startPingServer(ca, { policies, grants, credentials: [server.apiKey({ keys: { find }, audience })] });

describe("connect", () => {
  test("refuses to send credentials over anything but mutual TLS", () => {
    const plaintext = {
      channel: () => undefined,
      target: "127.0.0.1:1",
      close: () => undefined,
    } as unknown as MutualTlsChannels;
    expect(() => connect({ channels: plaintext, credentials: [apiKey({ key: key.key })] })).toThrow(/mutual TLS alone/);
  });
  test("refuses two credentials that would set the same key", async () => {
    await using server1 = await start();
    const channels = await server1.channels("reporting");
    const both = [apiKey({ key: key.key }), hmac({ keyId: newSigningKey().id, secret: newSigningKey().secret })];
    expect(() => connect({ channels, credentials: both })).toThrow(/same metadata key/);
  });
  test("presents credentials whatever interceptors one call brings", async () => {
    await using server1 = await start();
    const channels = connect({
      channels: await server1.channels("reporting"),
      credentials: [apiKey({ key: key.key })],
    });
    expect(await ping(channels, { options: { interceptors: [] } })).toBe("OK");
  });
  test("refuses credentials and reserved metadata of one call, before anything is sent", async () => {
    await using server1 = await start();
    const channels = connect({
      channels: await server1.channels("reporting"),
      credentials: [apiKey({ key: key.key })],
    });
    const own = credentials.createFromMetadataGenerator((_, callback) => callback(null, new Metadata()));
    await expect(ping(channels, { options: { credentials: own } })).rejects.toThrow(/cannot be replaced/);
    await expect(ping(channels, { metadata: { "x-api-key": "mine" } })).rejects.toThrow(/x-api-key is set by/);
    expect(server1.events).toEqual([]);
  });
  test("refuses the metadata of a credential whose keys are written in capitals", async () => {
    await using server1 = await start();
    const own = { ...apiKey({ key: key.key }), metadataKeys: ["X-API-Key"] };
    const channels = connect({ channels: await server1.channels("reporting"), credentials: [own] });
    await expect(ping(channels, { metadata: { "x-api-key": "mine" } })).rejects.toThrow(/x-api-key is set by/);
    expect(server1.events).toEqual([]);
  });
  test("keeps nothing of a call that it refused to make: the connection of a former certificate is closed", async () => {
    await using server1 = await start();
    const issue = () => ca.issue({ spiffeId: idOf("reporting") });
    const identity = identityFromMemory(await issue());
    const mutualTls = mutualTlsChannels({ identity, target: server1.target, serverId: idOf("ping-service") });
    onTestFinished(() => mutualTls.close());
    const channels = connect({ channels: mutualTls, credentials: [apiKey({ key: key.key })] });
    expect(await ping(channels)).toBe("OK");
    expect(server1.connections).toBe(1);
    const own = credentials.createFromMetadataGenerator((_, callback) => callback(null, new Metadata()));
    await expect(ping(channels, { metadata: { "x-api-key": "mine" } })).rejects.toThrow(/x-api-key is set by/);
    await expect(ping(channels, { options: { credentials: own } })).rejects.toThrow(/cannot be replaced/);
    identity.replace(await issue());
    const isShown = async () =>
      (await ping(channels)) === "OK" && server1.events.at(-1)?.certificate === identity.thumbprint;
    await vi.waitUntil(isShown, { timeout: 15_000, interval: 5 });
    await vi.waitUntil(() => server1.connections === 1, { timeout: 15_000 });
  });
  test("sends nothing where a credential cannot be had", async () => {
    await using server1 = await start();
    const tokens = { token: () => Promise.reject(new Error("the issuer is down")) };
    const channels = connect({ channels: await server1.channels("reporting"), credentials: [bearer({ tokens })] });
    expect(await ping(channels)).toBe("UNAVAILABLE");
    expect(server1.events).toEqual([]);
  });
  test("survives whatever a source of tokens rejects with, and tells nothing of a token", async () => {
    await using server1 = await start();
    const channels = await server1.channels("reporting");
    const frozen = AbortSignal.abort().reason as Error;
    for (const token of [() => Promise.reject(frozen), async () => "eyJcanary.SECRET.TOKEN\n"]) {
      const authenticated = connect({ channels, credentials: [bearer({ tokens: { token } })] });
      const error = await failure(authenticated);
      expect(error).toMatchObject({ code: status.UNAVAILABLE });
      expect(`${error.details}${error.stack}`).not.toContain("canary");
    }
    expect(server1.events).toEqual([]);
  });
  test("does not quote a value that cannot be sent", async () => {
    await using server1 = await start();
    const own = {
      credential: Credential.API_KEY,
      metadataKeys: ["x-api-key"],
      present: async () => ({ "x-api-key": "canary\n" }),
    };
    const error = await failure(connect({ channels: await server1.channels("reporting"), credentials: [own] }));
    expect(error).toMatchObject({ code: status.UNAVAILABLE });
    expect(`${error.details}${error.stack}`).not.toContain("canary");
  });
  test("fails at once where a call ends without the message that was to be signed", async () => {
    await using server1 = await start();
    const { id: keyId, secret } = newSigningKey();
    const channels = connect({ channels: await server1.channels("reporting"), credentials: [hmac({ keyId, secret })] });
    const bytes = (value: Buffer) => value;
    const { promise, resolve } = Promise.withResolvers<ServiceError | null>();
    clientOf(channels)
      .makeClientStreamRequest(pingPath, bytes, bytes, { deadline: Date.now() + 60_000 }, resolve)
      .end();
    expect(await promise).toMatchObject({
      code: status.UNAVAILABLE,
      details: expect.stringContaining("needs a message"),
    });
  });
  test("presents only what the policy of the method names, where it is known", async () => {
    await using server1 = await start();
    let asked = 0;
    const tokens = {
      token: async () => {
        asked += 1;
        return "a.b.c";
      },
    };
    const channels = connect({
      channels: await server1.channels("reporting"),
      credentials: [apiKey({ key: key.key }), bearer({ tokens })],
      policies,
    });
    expect(await ping(channels)).toBe("OK");
    expect(asked).toBe(0);
  });
});

function failure(channels: Channels): Promise<ServiceError> {
  const bytes = (value: Buffer) => value;
  const { promise, resolve, reject } = Promise.withResolvers<ServiceError>();
  const answered = (error: ServiceError | null) => (error === null ? reject(new Error("let in")) : resolve(error));
  clientOf(channels).makeUnaryRequest(pingPath, bytes, bytes, pingBytes(), { deadline: Date.now() + 10_000 }, answered);
  return promise;
}

test.each(["", "sk-live-", `${key.key.expose()}x`])("refuses the malformed API key %j without repeating it", (text) => {
  expect(() => apiKey({ key: text })).toThrow(/^The API key is malformed: was it copied whole\?$/);
});
test("refuses a malformed signing secret without repeating it", () => {
  const attempt = () => hmac({ keyId: "hk-aaaaaaaa", secret: "hs-canary" });
  expect(attempt).toThrow(TypeError);
  expect(attempt).not.toThrow(/canary/);
});
