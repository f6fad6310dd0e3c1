import * as grpc from "@grpc/grpc-js";
import { createCa, isCollected } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { callEcho, echoServer } from "../test/echo.ts";
import { type MutualTlsChannelsOptions, mutualTlsChannels } from "./channels.ts";
import { identityFromMemory } from "./tls-identity.ts";

const ca = await createCa();
const stranger = await createCa({ name: "Strange" });
const orderId = "spiffe://production.internal/order-service";
const paymentId = "spiffe://production.internal/payment-service";
const order = await ca.issue({ spiffeId: orderId });
const payment = await ca.issue({ spiffeId: paymentId });

async function call(port: number, options: Partial<MutualTlsChannelsOptions> = {}) {
  const channels = mutualTlsChannels({
    identity: identityFromMemory(order),
    target: `127.0.0.1:${port}`,
    serverId: paymentId,
    ...options,
  });
  const metadata = new grpc.Metadata();
  metadata.set("x-api-key", "a credential");
  try {
    return await callEcho(channels.channel(), metadata);
  } finally {
    channels.close();
  }
}

describe("mutualTlsChannels", () => {
  test("reaches the workload that it expects, at an IP address", async () => {
    await using echo = await echoServer({ material: payment });
    expect(await call(echo.port)).toEqual({ code: grpc.status.OK, text: "hello" });
    expect(echo.metadata[0]?.get("x-api-key")).toEqual(["a credential"]);
  });

  test.each([
    ["another workload of the CA", { spiffeId: orderId }],
    [
      "the right host name and another SPIFFE ID",
      { spiffeId: orderId, dns: ["payment-service.production.internal", "127.0.0.1", "localhost"] },
    ],
    ["the same path in another trust domain", { spiffeId: "spiffe://staging.internal/payment-service" }],
  ])("refuses a server that is %s, and sends it nothing", async (_what, leaf) => {
    await using echo = await echoServer({ material: await ca.issue(leaf) });
    const answer = await call(echo.port);
    expect(answer.code).toBe(grpc.status.UNAVAILABLE);
    expect(answer.text).toContain("The server is spiffe://");
    expect(echo.peers).toEqual([]);
    expect(echo.metadata).toEqual([]);
  });

  test("refuses a server of another CA, and sends it nothing", async () => {
    const material = { ...(await stranger.issue({ spiffeId: paymentId })), ca: `${ca.ca}${stranger.ca}` };
    await using echo = await echoServer({ material });
    expect((await call(echo.port)).code).toBe(grpc.status.UNAVAILABLE);
    expect(echo.peers).toEqual([]);
  });

  test("reaches the workload at one of several addresses, and sends nothing to whoever is at the others", async () => {
    await using other = await echoServer({ material: order });
    await using echo = await echoServer({ material: payment });
    const target = [`127.0.0.1:${other.port}`, `127.0.0.1:${echo.port}`];
    expect(await call(echo.port, { target })).toEqual({ code: grpc.status.OK, text: "hello" });
    expect(other.metadata).toEqual([]);
  });

  test("a call that is over lets go of who heard it, also while something still holds the call", async () => {
    await using echo = await echoServer({ material: payment });
    const channels = mutualTlsChannels({
      identity: identityFromMemory(order),
      target: `127.0.0.1:${echo.port}`,
      serverId: paymentId,
    });
    const ended = Promise.withResolvers<grpc.status>();
    const started = () => {
      const heard: string[] = [];
      const call = channels.channel().createCall("/test.Echo/Echo", Date.now() + 10_000, null, null, null);
      call.start(new grpc.Metadata(), {
        onReceiveMetadata: () => void heard.push("metadata"),
        onReceiveMessage: () => void heard.push("message"),
        onReceiveStatus: ({ code }) => ended.resolve(code),
      });
      return { call, heard: new WeakRef(heard) };
    };
    const { call, heard } = started();
    expect(await isCollected(heard)).toBe(false);
    call.startRead();
    call.sendMessageWithContext({}, Buffer.from("hello"));
    call.halfClose();
    expect(await ended.promise).toBe(grpc.status.OK);
    await expect.poll(() => isCollected(heard)).toBe(true);
    expect(call.certificateThumbprint).not.toBe("");
    channels.close();
  });

  test("does not care about the server's host name", async () => {
    await using echo = await echoServer({
      material: await ca.issue({ spiffeId: paymentId, dns: [] }),
    });
    expect((await call(echo.port)).code).toBe(grpc.status.OK);
  });

  test.each([
    ["grpc.ssl_target_name_override", "other.production.internal"],
    ["grpc.http_connect_target", "elsewhere:1"],
    ["grpc.use_local_subchannel_pool", 0],
    ["grpc.enable_http_proxy", 1],
    ["grpc.service_config_disable_resolution", 0],
    ["grpc-node.tls_enable_trace", 1],
  ])("does not let %s be changed", async (name, value) => {
    await expect(call(1, { channelOptions: { [name]: value } })).rejects.toThrow(
      `The channel option ${name} is fixed by mutual TLS; leave it out.`,
    );
  });

  test("receives no message above 1 MiB unless told to", async () => {
    await using echo = await echoServer({ material: payment });
    const small = { "grpc.max_receive_message_length": 3 };
    expect((await call(echo.port, { channelOptions: small })).code).toBe(grpc.status.RESOURCE_EXHAUSTED);
  });

  test.each(["payment-service", "spiffe://production.internal"])(
    "does not take %s for a workload",
    async (serverId) => {
      await expect(call(1, { serverId })).rejects.toThrow(TypeError);
    },
  );

  test("gives no channel once closed", () => {
    const channels = mutualTlsChannels({
      identity: identityFromMemory(order),
      target: "payment:8443",
      serverId: paymentId,
    });
    channels.close();
    expect(() => channels.channel()).toThrow("The channels to payment:8443 are closed.");
  });
});
