import * as grpc from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";
import { runChild } from "./child.ts";
import { echoClient } from "./echo-client.ts";
import { echoServer } from "./echo-server.ts";
import { nameServer } from "./name-server.ts";

describe("the environment and the DNS have a say", () => {
  test("library: https_proxy reroutes a channel, unless grpc.enable_http_proxy is 0", async () => {
    const { stdout } = await runChild(`
      import { once } from "node:events";
      import { createServer } from "node:net";
      import { echoClient } from "./traps/echo-client.ts";
      import { echoServer } from "./traps/echo-server.ts";
      using echo = await echoServer();
      const asked = [];
      const proxy = createServer((socket) => {
        socket.on("error", () => {}).once("data", (data) => {
          asked.push(String(data).split(":")[0]);
          socket.end("HTTP/1.1 502 no\\r\\n\\r\\n");
        });
      }).listen(0, "127.0.0.1");
      await once(proxy, "listening");
      process.env.https_proxy = "http://127.0.0.1:" + proxy.address().port;
      for (const enabled of [0, 1]) {
        using client = echoClient(echo.port, { "grpc.enable_http_proxy": enabled });
        console.log((await client.call()).code, asked.join());
      }
      proxy.close();
    `);
    expect(stdout).toBe("0 \n14 CONNECT 127.0.0.1\n");
  });

  test("library: a TXT record brings a retry policy, unless grpc.service_config_disable_resolution is 1", async () => {
    const policy = {
      maxAttempts: 3,
      initialBackoff: "0.01s",
      maxBackoff: "0.1s",
      backoffMultiplier: 2,
      retryableStatusCodes: ["UNAVAILABLE"],
    };
    const config = [{ serviceConfig: { methodConfig: [{ name: [{}], retryPolicy: policy }] } }];
    using names = await nameServer(`grpc_config=${JSON.stringify(config)}`);
    for (const [disabled, attempts] of [
      [1, 1],
      [0, 3],
    ] as const) {
      let calls = 0;
      const Unary: grpc.handleUnaryCall<Buffer, Buffer> = (_call, callback) => {
        calls += 1;
        callback({ code: grpc.status.UNAVAILABLE });
      };
      using echo = await echoServer({ handlers: { Unary } });
      using client = echoClient(echo.port, {
        // Only for a name is there a look-up.
        target: `localhost:${echo.port}`,
        "grpc.service_config_disable_resolution": disabled,
      });
      // The record may be later than the address, and is there for the second call.
      await client.call();
      await vi.waitUntil(() => disabled === 1 || names.asked() > 0, { timeout: 5000 });
      calls = 0;
      await client.call();
      expect(calls).toBe(attempts);
    }
  });
});
