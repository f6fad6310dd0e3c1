import zlib from "node:zlib";
import { compressionAlgorithms, status } from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";
import { bareAnswer } from "./bare-server.ts";
import { bareCall, collect, connectBare, framed, startPing, streamOf } from "./ping-server.ts";

const mostBytes = 64 * 1024;
const limits = { "grpc.max_receive_message_length": mostBytes };
// 60 kB that become 60 MB.
const bomb = zlib.gzipSync(Buffer.alloc(60 * 1024 * 1024));
const cut = zlib.gzipSync(Buffer.alloc(1_000)).subarray(0, 15);
const encoding = { "grpc-encoding": "gzip" };

/** Counts what is inflated while the callback runs, over all streams. */
async function inflated(run: () => Promise<void>): Promise<number> {
  let bytes = 0;
  const real = zlib.createGunzip;
  const spy = vi.spyOn(zlib, "createGunzip").mockImplementation((options) => {
    const gunzip = real(options);
    gunzip.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    return gunzip;
  });
  try {
    await run();
    expect(spy).toHaveBeenCalled();
    return bytes;
  } finally {
    spy.mockRestore();
  }
}

describe("a client that compresses", () => {
  test("is understood in all kinds of calls", async () => {
    await using server = await startPing(
      {},
      { channel: { "grpc.default_compression_algorithm": compressionAlgorithms.gzip } },
    );
    const text = "x".repeat(1_000);
    const bytes = await inflated(async () => {
      expect(await server.client.ping({ text })).toMatchObject({ text });
      expect(await collect(server.client.pingMany({ text, count: 2 }))).toHaveLength(2);
      expect(await server.client.pingSum(streamOf({ value: 1 }, { value: 2 }))).toMatchObject({ sum: 3n });
      expect(await collect(server.client.pingEach(streamOf({ text }, { text })))).toMatchObject([{ text }, { text }]);
    });
    // The six requests; grpc-js servers do not compress what they answer.
    expect(bytes).toBeGreaterThan(4 * text.length);
    expect(bytes).toBeLessThan(5 * text.length);
  });

  test("is understood with deflate too", async () => {
    const channel = { "grpc.default_compression_algorithm": compressionAlgorithms.deflate };
    await using server = await startPing({}, { channel });
    expect(await server.client.ping({ text: "a" })).toMatchObject({ text: "a" });
  });
});

describe("a compressed request", () => {
  test.each(["Ping", "PingMany", "PingSum", "PingEach"])(
    "that inflates to more than a message may have is refused before it has (%s)",
    async (method) => {
      await using server = await startPing({}, { server: limits });
      const bytes = await inflated(async () => {
        const bare = connectBare(server, method);
        const call = { bytes: framed(bomb, { compressed: true }), end: true, headers: encoding };
        expect(await bareCall(bare, call)).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
        bare.session.destroy();
      });
      expect(bytes).toBeLessThanOrEqual(mostBytes + 64 * 1024);
      expect(await server.client.ping({ text: "next" })).toMatchObject({ text: "next" });
      expect(server.errors).toEqual([]);
    },
  );

  test.each([
    ["is cut off", cut, encoding],
    ["is none", Buffer.from("not gzip"), encoding],
    ["is empty", Buffer.alloc(0), encoding],
  ])("that %s is INTERNAL, and nothing else suffers", async (_what, message, headers) => {
    await using server = await startPing();
    const bare = connectBare(server, "Ping");
    const status_ = await bareCall(bare, { bytes: framed(message, { compressed: true }), end: true, headers });
    expect(status_).toMatchObject({ code: status.INTERNAL });
    bare.session.destroy();
    expect(await server.client.ping({ text: "next" })).toMatchObject({ text: "next" });
  });

  test("in an encoding that nobody knows is UNIMPLEMENTED", async () => {
    await using server = await startPing();
    const bare = connectBare(server, "Ping");
    const call = {
      bytes: framed(Buffer.alloc(3), { compressed: true }),
      end: true,
      headers: { "grpc-encoding": "br" },
    };
    expect(await bareCall(bare, call)).toMatchObject({ code: status.UNIMPLEMENTED });
    bare.session.destroy();
  });
});

describe("a compressed response", () => {
  test("that inflates to more than a message may have is refused before it has", async () => {
    await using answering = await bareAnswer({ bytes: framed(bomb, { compressed: true }), headers: encoding });
    const bytes = await inflated(async () => {
      await expect(answering.client(limits).ping({})).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    });
    expect(bytes).toBeLessThanOrEqual(mostBytes + 64 * 1024);
  });

  test.each([
    ["is cut off", cut],
    ["is none", Buffer.from("not gzip")],
  ])("that %s is INTERNAL for the caller", async (_what, message) => {
    await using answering = await bareAnswer({ bytes: framed(message, { compressed: true }), headers: encoding });
    await expect(answering.client().ping({})).rejects.toMatchObject({ name: "RpcError", code: status.INTERNAL });
    await expect(collect(answering.client().pingMany({}))).rejects.toMatchObject({ code: status.INTERNAL });
  });
});
