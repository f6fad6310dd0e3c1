import type { OutgoingHttpHeaders } from "node:http2";
import { gzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { callLimits, RpcError } from "../src/index.ts";
import { bareCall, connectBare, framed, startPing } from "./ping-server.ts";

const canary = "canary";
const mostBytes = 1_000;
const limits = { "grpc.max_receive_message_length": mostBytes, "grpc.max_send_message_length": mostBytes };
const invalid = { code: status.INTERNAL, details: "" };
const tooLarge = { code: status.RESOURCE_EXHAUSTED, details: "A message is too large." };
const unknownEncoding = { code: status.UNIMPLEMENTED, details: "The encoding of a message is not known here." };
const compressed = (bytes: Buffer): Buffer => framed(bytes, { compressed: true });

const wrong: readonly (readonly [string, Buffer, OutgoingHttpHeaders, { code: status; details: string }])[] = [
  ["a time-out that is none", framed(Buffer.alloc(0)), { "grpc-timeout": canary }, invalid],
  ["an encoding that nobody knows", compressed(Buffer.from(canary)), { "grpc-encoding": canary }, unknownEncoding],
  ["a compressed message that is none", compressed(Buffer.from(canary)), { "grpc-encoding": "gzip" }, invalid],
  ["a message that is too large", framed(Buffer.alloc(mostBytes + 1)), {}, tooLarge],
  ["one that inflates to too much", compressed(gzipSync(Buffer.alloc(9_999))), { "grpc-encoding": "gzip" }, tooLarge],
];

test.each(
  wrong.flatMap((row) => ["Ping", "PingMany", "PingSum", "PingEach"].map((method) => [method, ...row] as const)),
)(
  "a caller of %s who sends %s is told the code and a fixed sentence",
  async (method, _what, bytes, headers, answer) => {
    await using server = await startPing({}, { server: { ...limits, interceptors: [callLimits()] } });
    const bare = connectBare(server, method);
    expect(await bareCall(bare, { bytes, end: true, headers })).toEqual(answer);
    bare.session.destroy();
  },
);

test("a caller is not told how large an answer is that cannot be sent", async () => {
  const text = "x".repeat(mostBytes);
  await using server = await startPing(
    { ping: () => ({ text }) },
    { server: { ...limits, interceptors: [callLimits()] } },
  );
  const bare = connectBare(server, "Ping");
  expect(await bareCall(bare, { bytes: framed(Buffer.alloc(0)), end: true })).toEqual(tooLarge);
  bare.session.destroy();
});

test("what a handler says is left as it is", async () => {
  const said = { code: status.RESOURCE_EXHAUSTED, details: "The queue is full." };
  const ping = (): never => {
    throw new RpcError(said.code, said.details);
  };
  await using server = await startPing({ ping }, { server: { interceptors: [callLimits()] } });
  const bare = connectBare(server, "Ping");
  expect(await bareCall(bare, { bytes: framed(Buffer.alloc(0)), end: true })).toEqual(said);
  bare.session.destroy();
});
