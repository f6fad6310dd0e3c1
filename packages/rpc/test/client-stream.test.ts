import { create } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { PingService, PingSumRequestSchema } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { type HandlerContext, RpcError } from "../src/index.ts";
import { aborted, collect, ready, sendBytes, settled, startPing, streamOf, undecodable } from "./ping-server.ts";

// An unknown field makes a request as large as one likes.
const large = create(PingSumRequestSchema, { value: 1 });
large.$unknown = [
  { no: 99, wireType: WireType.LengthDelimited, data: new BinaryWriter().bytes(new Uint8Array(65_536)).finish() },
];

/** Large requests without end, which tell how many were taken and when nobody wants more. */
function endless(): {
  readonly requests: AsyncGenerator<{ value: number }>;
  readonly taken: () => number;
  readonly closed: Promise<void>;
} {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let taken = 0;
  async function* generate(): AsyncGenerator<{ value: number }> {
    try {
      for (; taken < 10_000; taken += 1) yield large;
    } finally {
      resolve();
    }
  }
  return { requests: generate(), taken: () => taken, closed };
}

describe("a client-streaming call", () => {
  test("is answered when all has been sent", async () => {
    await using server = await startPing();
    expect(await server.client.pingSum(streamOf({ value: 1 }, { value: 2 }, {}))).toMatchObject({ sum: 3n, count: 3 });
  });

  test("may send nothing", async () => {
    await using server = await startPing();
    expect(await server.client.pingSum(streamOf())).toMatchObject({ sum: 0n, count: 0 });
  });

  test("gives the handler the metadata object of the last interceptor", async () => {
    const identities = new WeakMap<Metadata, number>();
    const attach: ServerInterceptor = (_method, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              const copy = metadata.clone();
              identities.set(copy, 42);
              pass(copy);
            },
          }),
      });
    await using server = await startPing(
      { pingSum: (_requests, { metadata }) => ({ count: identities.get(metadata) ?? 0 }) },
      { server: { interceptors: [attach] } },
    );
    expect(await server.client.pingSum(streamOf())).toMatchObject({ count: 42 });
  });

  test("may be answered before all has been sent, which closes the caller's generator", async () => {
    await using server = await startPing({
      pingSum: async (requests) => {
        for await (const { value } of requests) return { sum: BigInt(value) };
        return {};
      },
    });
    const { requests, closed } = endless();
    expect(await server.client.pingSum(requests)).toMatchObject({ sum: 1n });
    await closed;
  });

  test("may be answered without a look at what is sent", async () => {
    await using server = await startPing({ pingSum: () => ({ count: 7 }) });
    const { requests, closed } = endless();
    expect(await server.client.pingSum(requests)).toMatchObject({ count: 7 });
    await closed;
  });

  test("does not run ahead of a slow reader", async () => {
    const go = Promise.withResolvers<void>();
    await using server = await startPing({
      pingSum: async (requests) => {
        for await (const { value } of requests) await go.promise.then(() => value);
        return {};
      },
    });
    const { requests, taken, closed } = endless();
    const caller = new AbortController();
    const call = server.client.pingSum(requests, { signal: caller.signal });
    call.catch(() => {});
    const first = await settled(server, taken);
    expect(first).toBeLessThan(200);
    go.resolve();
    expect(await settled(server, () => Math.min(taken(), first + 100))).toBeGreaterThan(first);
    caller.abort();
    await expect(call).rejects.toMatchObject({ code: status.CANCELLED });
    await closed;
  });
});

describe("a client-streaming handler that fails", () => {
  test.each([
    ["before the first message", 0],
    ["after some messages", 3],
  ])("answers with the RpcError that it throws %s", async (_when, count) => {
    await using server = await startPing({
      pingSum: async (requests) => {
        const iterator = requests[Symbol.asyncIterator]();
        for (let read = 0; read < count; read += 1) await iterator.next();
        const metadata = new Metadata();
        metadata.set("x-reason", "closed");
        throw new RpcError(status.FAILED_PRECONDITION, "The shop is closed.", metadata);
      },
    });
    const { requests, closed } = endless();
    const error: unknown = await server.client.pingSum(requests).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, message: "The shop is closed." });
    expect((error as RpcError).metadata.get("x-reason")).toEqual(["closed"]);
    await closed;
  });

  test("answers INTERNAL without text and reports the cause when it throws anything else", async () => {
    await using server = await startPing({
      pingSum: () => {
        throw new Error("password=hunter2");
      },
    });
    await expect(server.client.pingSum(streamOf({ value: 1 }))).rejects.toMatchObject({
      code: status.INTERNAL,
      message: "",
    });
    expect(server.errors).toMatchObject([{ message: "password=hunter2" }]);
  });
});

describe("a client-streaming call that is not wanted any more", () => {
  test("ends the handler's reading when the caller cancels", async () => {
    const started = Promise.withResolvers<HandlerContext>();
    const ended = Promise.withResolvers<unknown>();
    await using server = await startPing({
      pingSum: async (requests, context) => {
        started.resolve(context);
        try {
          await collect(requests);
        } catch (error) {
          ended.resolve(error);
          throw error;
        }
        ended.resolve("read to the end");
        return {};
      },
    });
    const caller = new AbortController();
    async function* waiting(): AsyncGenerator<{ value: number }> {
      yield { value: 1 };
      await aborted(caller.signal);
    }
    const call = server.client.pingSum(waiting(), { signal: caller.signal });
    const { signal } = await started.promise;
    caller.abort();
    await expect(call).rejects.toMatchObject({ name: "RpcError", code: status.CANCELLED });
    expect(await ended.promise).toMatchObject({ code: status.CANCELLED });
    expect(signal.aborted).toBe(true);
    await server.client.ping({});
    expect(server.errors).toEqual([]);
  });

  test("tells the handler, whether it reads or not", async () => {
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<unknown>();
    await using server = await startPing({
      pingSum: async (_requests, { signal }) => {
        started.resolve();
        ended.resolve(await aborted(signal));
        return {};
      },
    });
    const caller = new AbortController();
    const { requests, taken, closed } = endless();
    const call = server.client.pingSum(requests, { signal: caller.signal });
    call.catch(() => {});
    await started.promise;
    await settled(server, taken);
    caller.abort();
    await closed;
    expect(await ended.promise).toMatchObject({ code: status.CANCELLED });
  });

  test("ends the handler's reading when the deadline passes", async () => {
    const ended = Promise.withResolvers<unknown>();
    await using server = await startPing({
      pingSum: async (requests) => {
        await collect(requests).then(ended.resolve, ended.resolve);
        return {};
      },
    });
    await ready(server);
    const held = Promise.withResolvers<void>();
    async function* waiting(): AsyncGenerator<{ value: number }> {
      await held.promise;
      yield { value: 1 };
    }
    const call = server.client.pingSum(waiting(), { timeoutMs: 200 });
    await expect(call).rejects.toMatchObject({ name: "RpcError", code: status.DEADLINE_EXCEEDED });
    expect(await ended.promise).toBeInstanceOf(RpcError);
    held.resolve();
  });

  test("is cancelled, and fails with the caller's own error, if its requests fail", async () => {
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<unknown>();
    await using server = await startPing({
      pingSum: async (_requests, { signal }) => {
        started.resolve();
        ended.resolve(await aborted(signal));
        return {};
      },
    });
    async function* failing(): AsyncGenerator<{ value: number }> {
      yield { value: 1 };
      await started.promise;
      throw new RangeError("no more rows");
    }
    await expect(server.client.pingSum(failing())).rejects.toThrow(RangeError);
    expect(await ended.promise).toMatchObject({ code: status.CANCELLED });
  });
});

describe("a client-streaming message that is not as it should be", () => {
  test("ends the call with INVALID_ARGUMENT if it breaks a rule", async () => {
    const values: number[] = [];
    await using server = await startPing({
      pingSum: async (requests) => {
        for await (const { value } of requests) values.push(value);
        return {};
      },
    });
    const { requests } = endless();
    async function* broken(): AsyncGenerator<{ value: number }> {
      yield { value: 1 };
      yield { value: 1_000_001 };
      yield* requests;
    }
    await expect(server.client.pingSum(broken())).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: "The request breaks a rule of its definition.",
    });
    expect(values).toEqual([1]);
  });

  test("ends the call with INTERNAL and no text if it cannot be decoded", async () => {
    await using server = await startPing();
    expect(await sendBytes(server.raw, "PingSum", undecodable)).toMatchObject({ code: status.INTERNAL, details: "" });
    expect(await server.client.pingSum(streamOf({ value: 1 }))).toMatchObject({ count: 1 });
  });

  test("ends the call with RESOURCE_EXHAUSTED if it is too large, and the handler is told", async () => {
    const ended = Promise.withResolvers<unknown>();
    await using server = await startPing(
      {
        pingSum: async (requests) => {
          await collect(requests).then(ended.resolve, ended.resolve);
          return {};
        },
      },
      { server: { "grpc.max_receive_message_length": 1_000 } },
    );
    const error = await sendBytes(server.raw, "PingSum", Buffer.alloc(1_001));
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    expect(await ended.promise).toBeInstanceOf(RpcError);
    expect(await server.client.ping({ text: PingService.name })).toMatchObject({ text: "PingService" });
  });
});
