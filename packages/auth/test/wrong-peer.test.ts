import { once } from "node:events";
import { setGlobalProxyFromEnv } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { Server, ServerInterceptingCall } from "@grpc/grpc-js";
import { identityFromMemory, mutualTlsChannels, mutualTlsServer } from "@zero-trust/mtls";
import { createCa, type LeafOptions, type TestCa } from "@zero-trust/testkit";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import { apiKey, bearer, clientCredentials, connect, hmac, type Presenter } from "../src/client.ts";
import { newSigningKey } from "../src/hmac/keys.ts";
import { json, startIssuerServer } from "./issuer-server.ts";
import { ping } from "./ping-client.ts";
import { idOf } from "./ping-server.ts";
import { scriptedPath, startScriptedServer } from "./scripted-server.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** One of each kind of credential, and how often one was asked for. */
function watched() {
  const asked: string[] = [];
  const { id: keyId, secret } = newSigningKey();
  const now = () => {
    asked.push("signature");
    return Date.now();
  };
  const token = async () => {
    asked.push("token");
    return "a.b.c";
  };
  const key = apiKey({ key: newApiKey("live").key });
  const watchedKey: Presenter = {
    ...key,
    metadataKeys: [],
    present(attempt) {
      asked.push("key");
      return key.present(attempt);
    },
  };
  return { asked, credentials: [hmac({ keyId, secret, now }), bearer({ tokens: { token } }), watchedKey] };
}

/** What a server that nobody should talk to has got. */
interface WrongServer extends AsyncDisposable {
  readonly port: number;
  readonly calls: () => number;
}

async function plaintext(): Promise<WrongServer> {
  let calls = 0;
  const server = createHttp2Server().on("stream", () => {
    calls += 1;
  });
  server.on("sessionError", () => undefined);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

function serverOf(leaf: LeafOptions, issuedBy: () => TestCa | Promise<TestCa> = () => ca): () => Promise<WrongServer> {
  return async () => {
    let calls = 0;
    const server = new Server({
      interceptors: [
        (_method, call) => {
          calls += 1;
          return new ServerInterceptingCall(call);
        },
      ],
    });
    const material = await (await issuedBy()).issue(leaf);
    // It trusts our caller, and may be whoever it is.
    const identity = identityFromMemory({ ...material, ca: `${material.ca}${ca.ca}` });
    const listener = mutualTlsServer({ identity, server, drainMs: 0 });
    const port = await listener.listen({ host: "127.0.0.1", port: 0 });
    return {
      port,
      calls: () => calls,
      async [Symbol.asyncDispose]() {
        await listener.close();
        server.forceShutdown();
      },
    };
  };
}

const hostNames = ["ping-service.production.internal", "127.0.0.1", "localhost"];
const otherCa = () => createCa({ name: "Strange" });

describe("M14: nothing is presented, and no credential asked for", () => {
  test.each([
    ["without TLS", plaintext],
    ["of another workload", serverOf({ spiffeId: idOf("order-service") })],
    ["with the right host name and another SPIFFE ID", serverOf({ spiffeId: idOf("order-service"), dns: hostNames })],
    ["of another trust domain", serverOf({ spiffeId: "spiffe://staging.internal/ping-service" })],
    ["of another CA", serverOf({ spiffeId: idOf("ping-service") }, otherCa)],
  ])("where the server is one %s", async (_what, start) => {
    await using wrong = await start();
    const { asked, credentials } = watched();
    const identity = identityFromMemory(await ca.issue({ spiffeId: idOf("order-service") }));
    const target = `127.0.0.1:${wrong.port}`;
    const channels = mutualTlsChannels({ identity, target, serverId: idOf("ping-service") });
    expect(await ping(connect({ channels, credentials }))).toBe("UNAVAILABLE");
    channels.close();
    expect([asked, wrong.calls()]).toEqual([[], 0]);
  });
  test("but where it is the right one", async () => {
    await using server = await startScriptedServer(ca, { unary: (call, answer) => answer(null, call.request) });
    const { asked, credentials } = watched();
    const channels = connect({ channels: await server.channels(), credentials });
    expect(await ping(channels, { path: scriptedPath("unary") })).toBe("OK");
    expect([...asked].sort()).toEqual(["key", "signature", "token"]);
  });
});

describe("a proxy of the environment", () => {
  test("gets no call, no token request, and no credential", async () => {
    let connections = 0;
    const proxy = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const variables = ["grpc_proxy", "https_proxy", "http_proxy"];
    for (const name of variables) vi.stubEnv(name, url);
    for (const name of ["no_proxy", "no_grpc_proxy", "NO_PROXY"]) vi.stubEnv(name, undefined);
    const restore = setGlobalProxyFromEnv({ https_proxy: url, http_proxy: url });
    try {
      await using issuer = await startIssuerServer(ca);
      issuer.answer = json({ access_token: "a.b.c", token_type: "Bearer", expires_in: 300 });
      const source = clientCredentials({
        tokenEndpoint: issuer.url,
        agent: issuer.agent,
        clientId: "order-service",
        audience: "https://ping.production.internal",
        scopes: ["read:test"],
      });
      await using server = await startScriptedServer(ca, { unary: (call, answer) => answer(null, call.request) });
      const credentials = [bearer({ tokens: { token: () => source.token() } })];
      const channels = connect({ channels: await server.channels(), credentials });
      expect(await ping(channels, { path: scriptedPath("unary") })).toBe("OK");
      expect(server.attempts.map((metadata) => metadata.get("authorization"))).toEqual([["Bearer a.b.c"]]);
      expect([issuer.requests, connections]).toEqual([1, 0]);
    } finally {
      restore();
      proxy.close();
    }
  });
});
