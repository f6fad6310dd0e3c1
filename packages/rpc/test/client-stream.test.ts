import { type Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { PingService, PingSumRequestSchema, PingSumResponseSchema } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { type HandlerContext, RpcError } from "../src/index.ts";
import { largeSums, padded, paddedAll } from "./large-messages.ts";
import { matrix, only } from "./matrix.ts";
import { aborted, collect, ready, sendBytes, settled, startPing, streamOf, undecodable } from "./ping-server.ts";

matrix({
  name: "client-streaming",
  streamsResponses: false,
  handler: (body) => ({
    pingSum: async (requests, context) => padded(PingSumResponseSchema, {}, await only(body(requests, context))),
  }),
  async *call(client, requests, options) {
    yield await client.pingSum(paddedAll(PingSumRequestSchema, requests), options);
  },
});

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
    const { requests, closed } = largeSums();
    expect(await server.client.pingSum(requests)).toMatchObject({ sum: 1n });
    await closed;
  });

  test("may be answered without a look at what is sent", async () => {
    await using server = await startPing({ pingSum: () => ({ count: 7 }) });
    const { requests, closed } = largeSums();
    expect(await server.client.pingSum(requests)).toMatchObject({ count: 7 });
    await closed;
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
    const { requests, taken, closed } = largeSums();
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
    const { requests } = largeSums();
    async function* broken(): AsyncGenerator<{ value?: number }> {
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
