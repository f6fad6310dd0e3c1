import * as grpc from "@grpc/grpc-js";
import { createCa } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { echoClient } from "./echo-client.ts";
import { echoServer } from "./echo-server.ts";
import { metadataOf } from "./metadata-of.ts";
import { clientTls, keyPair } from "./tls-credentials.ts";

const ca = await createCa();
const server = await ca.issue({ spiffeId: "spiffe://production.internal/payment" });
const caller = await ca.issue({ spiffeId: "spiffe://production.internal/order" });
const roots = Buffer.from(ca.ca);
const options = { "grpc.ssl_target_name_override": "payment.production.internal", "grpc.use_local_subchannel_pool": 1 };

describe("call credentials go out in clear", () => {
  const secret = grpc.credentials.createFromMetadataGenerator((_options, callback) =>
    callback(null, metadataOf({ authorization: "Bearer secret" })),
  );

  test("library: credentials in the options of a call are sent over plaintext, though a channel refuses to compose them", async () => {
    const insecure = grpc.credentials.createInsecure();
    expect(() => insecure.compose(secret)).toThrow("Cannot compose insecure credentials");
    expect(() => grpc.credentials.combineChannelCredentials(insecure, secret)).toThrow("Cannot compose insecure");
    using echo = await echoServer();
    using client = echoClient(echo.port);
    expect(await client.call({ options: { credentials: secret } })).toMatchObject({ code: grpc.status.OK });
    expect(echo.seen[0]?.metadata.get("authorization")).toEqual(["Bearer secret"]);
  });

  test("library: a client interceptor is told nothing of the channel, and its header goes out in clear", async () => {
    const told: string[][] = [];
    const interceptor: grpc.Interceptor = (given, nextCall) => {
      told.push(Object.keys(given).sort());
      return new grpc.InterceptingCall(nextCall(given), {
        start(metadata, listener, next) {
          metadata.set("authorization", "Bearer secret");
          next(metadata, listener);
        },
      });
    };
    using plain = await echoServer();
    using overPlaintext = echoClient(plain.port, { interceptors: [interceptor] });
    await overPlaintext.call();
    expect(plain.seen[0]?.metadata.get("authorization")).toEqual(["Bearer secret"]);
    using tls = await echoServer({ credentials: grpc.ServerCredentials.createSsl(roots, [keyPair(server)], true) });
    using overTls = echoClient(tls.port, { credentials: clientTls(caller), interceptors: [interceptor], ...options });
    await overTls.call();
    expect(tls.seen).toHaveLength(1);
    expect(told[0]).toEqual(told[1]);
  });
});

describe("a generator that fails may send the call without credentials", () => {
  test("library: callback(error, null) in a metadata generator sends the call with no credentials", async () => {
    const failing = (...rest: readonly null[]) =>
      grpc.credentials.createFromMetadataGenerator((_options, callback) => {
        Reflect.apply(callback, undefined, [new Error("no token"), ...rest]);
      });
    using echo = await echoServer();
    using client = echoClient(echo.port);
    expect(await client.call({ options: { credentials: failing(null) } })).toMatchObject({ code: grpc.status.OK });
    expect(echo.seen[0]?.metadata.get("authorization")).toEqual([]);
    // With the error alone it is not sent.
    expect(await client.call({ options: { credentials: failing() } })).not.toMatchObject({ code: grpc.status.OK });
    expect(echo.seen).toHaveLength(1);
  });

  test("library: callback(error) alone ends the call as UNAVAILABLE where the error says so", async () => {
    const fetchToken = (): Promise<string> => Promise.reject(new Error("no token"));
    // page: generator-error
    async function authorize(callback: (error: Error | null, metadata?: grpc.Metadata) => void): Promise<void> {
      const metadata = new grpc.Metadata();
      try {
        metadata.set("authorization", `Bearer ${await fetchToken()}`);
      } catch (cause) {
        const error = new Error("There is no token.", { cause });
        callback(Object.assign(error, { code: grpc.status.UNAVAILABLE }));
        return;
      }
      callback(null, metadata);
    }
    const credentials = grpc.credentials.createFromMetadataGenerator((_options, callback) => void authorize(callback));
    // end
    using echo = await echoServer();
    using client = echoClient(echo.port);
    expect(await client.call({ options: { credentials } })).toMatchObject({ code: grpc.status.UNAVAILABLE });
    expect(echo.seen).toEqual([]);
  });
});

describe("the interceptors of a call replace those of the client", () => {
  test("library: interceptors in the options of a call replace the client's", async () => {
    const setting =
      (key: string): grpc.Interceptor =>
      (given, nextCall) =>
        new grpc.InterceptingCall(nextCall(given), {
          start(metadata, listener, next) {
            metadata.set(key, "1");
            next(metadata, listener);
          },
        });
    using echo = await echoServer();
    using client = echoClient(echo.port, { interceptors: [setting("authorization")] });
    await client.call();
    expect(echo.seen[0]?.metadata.getMap()).toHaveProperty("authorization");
    await client.call({ options: { interceptors: [setting("x-logged")] } });
    expect(echo.seen[1]?.metadata.getMap()).toHaveProperty("x-logged");
    expect(echo.seen[1]?.metadata.getMap()).not.toHaveProperty("authorization");
  });
});
