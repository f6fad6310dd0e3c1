import { once } from "node:events";
import { readFileSync } from "node:fs";
import { constants } from "node:http2";
import { gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";
import { echoClient } from "./echo-client.ts";
import { echoServer } from "./echo-server.ts";
import { frame, rawClient, statusOf } from "./raw-client.ts";

describe("what is not set is not limited", () => {
  test("library: a server that sets no limits offers 2^32 - 1 streams and has no bound on a session's memory", async () => {
    using echo = await echoServer();
    using raw = rawClient(echo.port);
    await once(raw.session, "remoteSettings");
    expect(raw.session.remoteSettings.maxConcurrentStreams).toBe(2 ** 32 - 1);
    const inner = Reflect.get(echo.server, "commonServerOptions") as object;
    expect(inner).toMatchObject({ maxSessionMemory: Number.MAX_SAFE_INTEGER });
  });

  test("library: with all options that limit something, a call is served and the limits are told", async () => {
    // page: options
    const serverOptions: grpc.ServerOptions = {
      "grpc.max_receive_message_length": 1024 * 1024,
      "grpc.max_concurrent_streams": 100,
      "grpc.max_connection_idle_ms": 5 * 60_000,
      "grpc.max_connection_age_ms": 5 * 60_000,
      "grpc.max_connection_age_grace_ms": 5 * 60_000,
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 20_000,
      "grpc-node.max_session_memory": 128,
    };
    const channelOptions: grpc.ChannelOptions = {
      "grpc.max_receive_message_length": 1024 * 1024,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.service_config_disable_resolution": 1,
    };
    // end
    using echo = await echoServer({ options: serverOptions });
    using client = echoClient(echo.port, channelOptions);
    expect(await client.call()).toMatchObject({ code: grpc.status.OK });
    using raw = rawClient(echo.port);
    await once(raw.session, "remoteSettings");
    expect(raw.session.remoteSettings.maxConcurrentStreams).toBe(100);
  });

  test("library: a message that never ends keeps a call and its connection open beyond the idle time", async () => {
    using echo = await echoServer({ options: { "grpc.max_connection_idle_ms": 100 } });
    using idle = rawClient(echo.port);
    const idleClosed = once(idle.session, "close");
    using half = rawClient(echo.port);
    const stream = half.request({ body: frame("hello").subarray(0, 7), open: true });
    await once(half.session, "remoteSettings");
    // The other connection, with no call, is closed: the time is over.
    await idleClosed;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect({ closed: half.session.closed, stream: stream.closed }).toEqual({ closed: false, stream: false });
  });

  test("library: a call for any :authority is served", async () => {
    using echo = await echoServer();
    using raw = rawClient(echo.port);
    const stream = raw.request({ headers: { ":authority": "bank.example" } });
    expect(await statusOf(stream)).toBe("0");
  });
});

describe("a refused upload goes on", () => {
  test("library: a server goes on taking what a refused caller uploads", async () => {
    const refuse: grpc.ServerInterceptor = (_method, call) =>
      new grpc.ServerInterceptingCall(call, {
        start: (next) =>
          next({ onReceiveMetadata: () => call.sendStatus({ code: grpc.status.UNAUTHENTICATED, details: "No." }) }),
      });
    using echo = await echoServer({ options: { interceptors: [refuse] } });
    using raw = rawClient(echo.port);
    const stream = raw.request({ open: true });
    await once(stream, "response");
    let taken = 0;
    const megabyte = Buffer.alloc(1024 * 1024);
    while (taken < 32 && !stream.closed) {
      await new Promise((resolve) => stream.write(megabyte, resolve));
      taken += 1;
    }
    expect(taken).toBe(32);
  });
});

describe("malformed requests", () => {
  test("library: a server survives messages that are said to be compressed and are not", async () => {
    using echo = await echoServer();
    using raw = rawClient(echo.port);
    for (const encoding of ["gzip", "deflate"]) {
      for (const body of [frame("no gzip at all", 1), frame(gzipSync("hello").subarray(0, 12), 1), frame("", 1)]) {
        expect(await statusOf(raw.request({ headers: { "grpc-encoding": encoding }, body }))).not.toBe("0");
      }
    }
    expect(await statusOf(raw.request())).toBe("0");
  });

  test("library: a server survives a stream that is reset with an error before it has become a call", async () => {
    using echo = await echoServer();
    using raw = rawClient(echo.port);
    const malformed: readonly Readonly<Record<string, string>>[] = [
      { "content-type": "text/plain" },
      { ":path": "/traps.Echo/Nope" },
      { ":path": "no slash" },
      { "grpc-timeout": "soon" },
    ];
    for (const headers of malformed) {
      const stream = raw.request({ headers, open: true });
      stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      await vi.waitUntil(() => stream.closed, { timeout: 5000 });
    }
    expect(await statusOf(raw.request())).toBe("0");
  });

  test("library: the installed protobufjs, which grpc-js brings along, is 7.6.1 or later", () => {
    const lock = readFileSync(new URL("../../pnpm-lock.yaml", import.meta.url), "utf8");
    const versions = [...lock.matchAll(/^ {2}protobufjs@(\d+)\.(\d+)\.(\d+)/gm)].map(([, ...parts]) =>
      parts.map(Number),
    );
    expect(versions.length).toBeGreaterThan(0);
    for (const [major = 0, minor = 0, patch = 0] of versions) {
      expect(major * 1e6 + minor * 1e3 + patch).toBeGreaterThanOrEqual(7_006_001);
    }
  });
});
