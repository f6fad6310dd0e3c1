import * as grpc from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "vitest";
import { runChild } from "./child.ts";
import { echoClient } from "./echo-client.ts";
import { echoServer } from "./echo-server.ts";
import { rawUnaryCall } from "./raw-http2.ts";

afterEach(() => grpc.setLogger(console));

/** What grpc-js writes to its log. */
function logged(): string[] {
  const lines: string[] = [];
  const write = (...parts: unknown[]) => lines.push(parts.map(String).join(" "));
  grpc.setLogger({ error: write, info: write, debug: write });
  return lines;
}

describe("traces print metadata", () => {
  test("library: GRPC_TRACE prints the authorization of every call", async () => {
    const { stderr } = await runChild(
      `
      import { echoClient } from "./traps/echo-client.ts";
      import { echoServer } from "./traps/echo-server.ts";
      using echo = await echoServer();
      using client = echoClient(echo.port);
      await client.call({ metadata: { authorization: "Bearer canary" } });
    `,
      { GRPC_TRACE: "all", GRPC_VERBOSITY: "DEBUG" },
    );
    expect(stderr).toContain("Bearer canary");
  });
});

describe("errors and logs repeat rejected values", () => {
  test("library: an incoming header that grpc-js rejects is logged at level ERROR with its value", async () => {
    const lines = logged();
    using echo = await echoServer();
    await rawUnaryCall(echo.port, [["x-api-key", "canary-\xe9"]]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("x-api-key: canary-");
    // The call was served, without it.
    expect(echo.seen.map((call) => call.metadata.get("x-api-key"))).toEqual([[]]);
  });

  test("library: a value that grpc-js refuses to send is in the text of the error", () => {
    // A secret read from a file, line feed and all.
    expect(() => new grpc.Metadata().set("authorization", "Bearer canary\n")).toThrow("Bearer canary");
  });

  test("library: a logger of our own can leave the value out", async () => {
    const lines: string[] = [];
    // page: redacting-logger
    const redact = (text: unknown) => String(text).replace(/^(Failed to add metadata entry [^:]*).*$/s, "$1");
    grpc.setLogger({ error: (text) => lines.push(redact(text)), info: () => {}, debug: () => {} });
    // end
    using echo = await echoServer();
    await rawUnaryCall(echo.port, [["x-api-key", "canary-\xe9"]]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/Failed to add metadata entry x-api-key$/);
  });
});

describe("duplicates of a header", () => {
  test("library: two values of a custom header arrive as one, joined", async () => {
    using echo = await echoServer();
    using client = echoClient(echo.port);
    await client.call({ options: { interceptors: [adding("x-api-key", "one", "two")] } });
    expect(echo.seen[0]?.metadata.get("x-api-key")).toEqual(["one, two"]);
  });

  test("library: of two authorization headers on the wire the first is all that a server sees", async () => {
    using echo = await echoServer();
    await rawUnaryCall(echo.port, [
      ["authorization", "Bearer first"],
      ["authorization", "Bearer second"],
      ["x-api-key", "one"],
      ["x-api-key", "two"],
    ]);
    expect(echo.seen[0]?.metadata.get("authorization")).toEqual(["Bearer first"]);
    expect(echo.seen[0]?.metadata.get("x-api-key")).toEqual(["one, two"]);
  });

  test("library: two authorization values of a client of grpc-js end the call as INTERNAL", async () => {
    using echo = await echoServer();
    using client = echoClient(echo.port);
    const answer = await client.call({ options: { interceptors: [adding("authorization", "Bearer a", "Bearer b")] } });
    expect(answer).toMatchObject({ code: grpc.status.INTERNAL });
    expect(echo.seen).toEqual([]);
  });

  function adding(key: string, ...values: readonly string[]): grpc.Interceptor {
    return (options, nextCall) =>
      new grpc.InterceptingCall(nextCall(options), {
        start(metadata, listener, next) {
          for (const value of values) metadata.add(key, value);
          next(metadata, listener);
        },
      });
  }
});

describe("metadata of any size is taken", () => {
  test("library: a client takes 60 kB of metadata, whatever grpc.max_metadata_size says", async () => {
    const Unary: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      const metadata = new grpc.Metadata();
      metadata.set("x-large", "x".repeat(60_000));
      call.sendMetadata(metadata);
      callback(null, call.request);
    };
    using echo = await echoServer({ handlers: { Unary } });
    using client = echoClient(echo.port, { "grpc.max_metadata_size": 1000 });
    expect(await client.call()).toMatchObject({ code: grpc.status.OK });
  });

  test("library: a server takes 70 kB of metadata", async () => {
    using echo = await echoServer();
    using client = echoClient(echo.port);
    expect(await client.call({ metadata: { "x-large": "x".repeat(70_000) } })).toMatchObject({ code: grpc.status.OK });
    expect(echo.seen[0]?.metadata.get("x-large")[0]).toHaveLength(70_000);
  });
});
