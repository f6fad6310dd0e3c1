import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../src/error-details.ts";
import { StatusSchema } from "../src/gen/google/rpc/status_pb.ts";
import { detail, RpcError } from "../src/index.ts";
import { collect, startPing, streamOf } from "./ping-server.ts";

const key = "grpc-status-details-bin";
const message = "The queue is full.";
const details = [
  detail(ErrorInfoSchema, { reason: "QUEUE_FULL", domain: "example.org", metadata: { queue: "7" } }),
  detail(RetryInfoSchema, { retryDelay: { seconds: 5n } }),
  detail(ErrorInfoSchema, { reason: "ALSO_THIS" }),
];

async function failure(work: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RpcError);
  return error as RpcError;
}

/** What a client makes of an error of a handler. */
async function sent(error: RpcError): Promise<{ readonly received: RpcError; readonly reported: unknown[] }> {
  await using server = await startPing({
    ping: () => {
      throw error;
    },
  });
  return { received: await failure(server.client.ping({})), reported: [...server.errors] };
}

describe("the details of an error", () => {
  test.each(["ping", "pingMany", "pingSum", "pingEach"] as const)("arrive typed (%s)", async (method) => {
    const fail = (): never => {
      throw new RpcError(status.RESOURCE_EXHAUSTED, message, { details });
    };
    await using server = await startPing({ ping: fail, pingMany: fail, pingSum: fail, pingEach: fail });
    const { client } = server;
    const calls = {
      ping: () => client.ping({}),
      pingMany: () => collect(client.pingMany({})),
      pingSum: () => client.pingSum(streamOf({ value: 1 })),
      pingEach: () => collect(client.pingEach(streamOf({ text: "a" }))),
    };
    const error = await failure(calls[method]());
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED, message });
    expect(error.details(ErrorInfoSchema).map(({ reason }) => reason)).toEqual(["QUEUE_FULL", "ALSO_THIS"]);
    expect(error.findDetail(ErrorInfoSchema)).toMatchObject({ domain: "example.org", metadata: { queue: "7" } });
    expect(error.findDetail(RetryInfoSchema)?.retryDelay?.seconds).toBe(5n);
    expect(error.retryAfterMs).toBe(5_000);
    expect(error.findDetail(BadRequestSchema)).toBeUndefined();
    expect(server.errors).toEqual([]);
  });

  test.each([
    ["to the millisecond", [detail(RetryInfoSchema, { retryDelay: { seconds: 1n, nanos: 250_000_000 } })], 1_250],
    ["not in the past", [detail(RetryInfoSchema, { retryDelay: { seconds: -1n } })], undefined],
    ["not without a time", [detail(RetryInfoSchema, {})], undefined],
    ["not where nobody says so", [], undefined],
  ] as const)("say when to call again, %s", (_, some, retryAfterMs) => {
    expect(new RpcError(status.RESOURCE_EXHAUSTED, message, { details: some }).retryAfterMs).toBe(retryAfterMs);
  });
  test("are a google.rpc.Status that says the same as the status", async () => {
    const metadata = new Metadata();
    metadata.set("x-reason", "closed");
    const { received } = await sent(new RpcError(status.RESOURCE_EXHAUSTED, message, { metadata, details }));
    const [bytes] = received.metadata.get(key);
    const rich = fromBinary(StatusSchema, new Uint8Array(bytes as Buffer));
    expect(rich).toMatchObject({ code: status.RESOURCE_EXHAUSTED, message });
    expect(rich.details.map(({ typeUrl }) => typeUrl)).toEqual([
      "type.googleapis.com/google.rpc.ErrorInfo",
      "type.googleapis.com/google.rpc.RetryInfo",
      "type.googleapis.com/google.rpc.ErrorInfo",
    ]);
    expect(received.metadata.get("x-reason")).toEqual(["closed"]);
    expect(metadata.get(key)).toEqual([]);
  });

  test("can be read from the error that carries them", () => {
    const error = new RpcError(status.ABORTED, message, { details, cause: "here" });
    expect(error.findDetail(RetryInfoSchema)?.retryDelay?.seconds).toBe(5n);
    expect(error.cause).toBe("here");
    expect(new RpcError(status.ABORTED, message).details(ErrorInfoSchema)).toEqual([]);
  });
});

describe("details that are not as they should be", () => {
  const received = (bytes: Uint8Array): RpcError => {
    const metadata = new Metadata();
    metadata.set(key, Buffer.from(bytes));
    return new RpcError(status.ABORTED, message, metadata);
  };
  const packed = (code: number, any = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "A" }))): Uint8Array =>
    toBinary(StatusSchema, create(StatusSchema, { code, details: [any, ...details] }));

  test("are ignored, whatever bytes they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(Array.isArray(received(bytes).details(ErrorInfoSchema))).toBe(true);
      }),
    );
  });

  test("are ignored if they speak of another code", () => {
    expect(received(packed(status.ABORTED)).details(ErrorInfoSchema)).toHaveLength(3);
    expect(received(packed(status.OK)).details(ErrorInfoSchema)).toEqual([]);
    expect(received(packed(status.NOT_FOUND)).details(ErrorInfoSchema)).toEqual([]);
  });

  test("are left out one by one", () => {
    const broken = { ...anyPack(ErrorInfoSchema, create(ErrorInfoSchema)), value: Uint8Array.of(0x0a, 0x7f, 1) };
    expect(received(packed(status.ABORTED, broken)).details(ErrorInfoSchema)).toHaveLength(2);
    const nameless = { ...broken, typeUrl: "" };
    expect(received(packed(status.ABORTED, nameless)).details(ErrorInfoSchema)).toHaveLength(2);
  });
});

describe("trailers that would be too large", () => {
  const large = detail(StringValueSchema, { value: "x".repeat(20_000) });

  test("are sent without the details, and the handler's owner is told", async () => {
    const metadata = new Metadata();
    metadata.set("x-reason", "closed");
    const { received, reported } = await sent(new RpcError(status.ABORTED, message, { metadata, details: [large] }));
    expect(received).toMatchObject({ code: status.ABORTED, message });
    expect(received.metadata.get(key)).toEqual([]);
    expect(received.metadata.get("x-reason")).toEqual(["closed"]);
    expect(reported).toMatchObject([{ name: "RangeError" }]);
  });

  test("are sent without any metadata if that alone is too large", async () => {
    const metadata = new Metadata();
    for (let index = 0; index < 40; index += 1) metadata.add("x-many", "x".repeat(400));
    const { received, reported } = await sent(new RpcError(status.ABORTED, message, { metadata, details: [large] }));
    expect(received).toMatchObject({ code: status.ABORTED, message });
    expect(received.metadata.get("x-many")).toEqual([]);
    expect(reported).toHaveLength(1);
  });

  test("leave room for the text, however many bytes that takes", async () => {
    const some = detail(StringValueSchema, { value: "x".repeat(3_000) });
    const short = await sent(new RpcError(status.ABORTED, message, { details: [some] }));
    expect(short.received.findDetail(StringValueSchema)?.value).toHaveLength(3_000);
    const text = "\u8a9e".repeat(1_024);
    const { received, reported } = await sent(new RpcError(status.ABORTED, text, { details: [some] }));
    expect(received).toMatchObject({ code: status.ABORTED, message: text });
    expect(received.metadata.get(key)).toEqual([]);
    expect(reported).toMatchObject([{ name: "RangeError" }]);
  });
});

test("metadata of a handler cannot take the place of what gRPC says", async () => {
  const metadata = new Metadata();
  for (const [name, value] of [
    ["grpc-status", "0"],
    ["grpc-message", "all is well"],
    ["grpc-encoding", "gzip"],
    ["content-type", "text/html"],
    ["content-length", "7"],
    ["connection", "close"],
    ["transfer-encoding", "chunked"],
    ["x-reason", "closed"],
  ] as const) {
    metadata.set(name, value);
  }
  const { received } = await sent(new RpcError(status.ABORTED, message, metadata));
  expect(received).toMatchObject({ code: status.ABORTED, message });
  expect(received.metadata.get("x-reason")).toEqual(["closed"]);
  await using server = await startPing({
    ping: (_request, { responseHeaders, responseTrailers }) => {
      responseHeaders.merge(metadata);
      responseTrailers.merge(metadata);
      return { text: "kept" };
    },
  });
  expect(await server.client.ping({})).toMatchObject({ text: "kept" });
});
