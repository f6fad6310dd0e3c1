import { create, toBinary } from "@bufbuild/protobuf";
import { Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { PingRequestSchema, PingResponseSchema, PingService } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { createClient, type HandlerContext, RpcError } from "../src/index.ts";
import { padded } from "./large-messages.ts";
import { first, matrix, only } from "./matrix.ts";
import {
  aborted,
  bareCall,
  connectBare,
  framed,
  ready,
  sendBytes,
  startPing,
  streamOf,
  undecodable,
} from "./ping-server.ts";

const never = new Promise<never>(() => {});

matrix({
  name: "unary",
  streamsResponses: false,
  handler: (body) => ({
    ping: async (request, context) => padded(PingResponseSchema, {}, await only(body(streamOf(request), context))),
  }),
  async *call(client, requests, options) {
    yield await client.ping(padded(PingRequestSchema, {}, await first(requests)), options);
  },
});

describe("a unary call", () => {
  test("is answered", async () => {
    await using server = await startPing();
    expect(await server.client.ping({ text: "hello" })).toMatchObject({ text: "hello" });
  });

  test("sends an empty request and an empty response", async () => {
    await using server = await startPing();
    expect(await server.client.ping({})).toMatchObject({ text: "" });
  });

  test("keeps fields that it does not know, in a handler that passes messages on", async () => {
    const received: unknown[] = [];
    const [asked, answered] = [padded(PingRequestSchema, { text: "a" }, 10), padded(PingResponseSchema, {}, 20)];
    await using payment = await startPing({
      ping: (request) => {
        received.push(request.$unknown);
        return answered;
      },
    });
    await using order = await startPing({ ping: (request, context) => payment.client.ping(request, { context }) });
    const { $unknown } = await order.client.ping(asked);
    expect(received).toEqual([asked.$unknown]);
    expect($unknown).toEqual(answered.$unknown);
  });

  test("gives the handler the metadata object of the last interceptor, which sees the bytes of the wire", async () => {
    const identities = new WeakMap<Metadata, string>();
    const seen: unknown[] = [];
    const attach: ServerInterceptor = (_method, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              const copy = metadata.clone();
              identities.set(copy, "order-service");
              pass(copy);
            },
            onReceiveMessage: (message, pass) => {
              seen.push(message);
              pass(message);
            },
          }),
      });
    await using server = await startPing(
      { ping: (_request, { metadata }) => ({ client: identities.get(metadata) ?? "nobody" }) },
      { server: { interceptors: [attach] } },
    );
    expect(await server.client.ping({ text: "x" })).toMatchObject({ client: "order-service" });
    expect(seen).toEqual([Buffer.from(toBinary(PingRequestSchema, create(PingRequestSchema, { text: "x" })))]);
  });

  test("sends its metadata and leaves the caller's object alone", async () => {
    await using server = await startPing({ ping: (_request, { metadata }) => ({ text: String(metadata.get("x-a")) }) });
    const metadata = new Metadata();
    metadata.set("x-a", "1");
    expect(await server.client.ping({}, { metadata })).toMatchObject({ text: "1" });
    expect(metadata.getMap()).toEqual({ "x-a": "1" });
  });

  test("asks for its channel every time", async () => {
    await using first = await startPing({ ping: () => ({ text: "first" }) });
    await using second = await startPing({ ping: () => ({ text: "second" }) });
    const channels = [first.channel, second.channel, first.channel].values();
    const client = createClient(PingService, { channel: () => channels.next().value ?? first.channel });
    const answers = [await client.ping({}), await client.ping({}), await client.ping({})];
    expect(answers.map(({ text }) => text)).toEqual(["first", "second", "first"]);
  });

  test("fails with UNAVAILABLE if there is no channel", async () => {
    const client = createClient(PingService, {
      channel: () => {
        throw new Error("no certificate");
      },
    });
    await expect(client.ping({})).rejects.toMatchObject({ name: "RpcError", code: status.UNAVAILABLE });
  });

  test("fails with UNAVAILABLE if its channel is closed", async () => {
    await using server = await startPing();
    server.channel.close();
    await expect(server.client.ping({})).rejects.toMatchObject({ name: "RpcError", code: status.UNAVAILABLE });
  });

  test("rejects a request that cannot be serialized and sends nothing", async () => {
    let calls = 0;
    await using server = await startPing({
      ping: () => {
        calls += 1;
        return {};
      },
    });
    // @ts-expect-error the type forbids it too
    await expect(server.client.ping(undefined)).rejects.toThrow(TypeError);
    expect(calls).toBe(0);
  });
});

describe("a unary handler that fails", () => {
  test.each([
    [
      "throws",
      () => {
        throw new Error("password=hunter2");
      },
    ],
    ["rejects", () => Promise.reject(new Error("password=hunter2"))],
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a handler may
    ["rejects with no error", () => Promise.reject("password=hunter2")],
    [
      "throws a status that is none of ours",
      () => {
        throw Object.assign(new Error("password=hunter2"), { code: 3, details: "password=hunter2" });
      },
    ],
    [
      "throws an RpcError that says OK",
      () => {
        throw new RpcError(status.OK, "password=hunter2");
      },
    ],
    ["answers nothing", () => undefined as never],
  ])("answers INTERNAL without text and reports the cause when it %s", async (_what, ping) => {
    await using server = await startPing({ ping });
    const error = await sendBytes(server.raw, "Ping", Buffer.alloc(0));
    expect(error).toMatchObject({ code: status.INTERNAL, details: "" });
    expect(JSON.stringify(error)).not.toContain("hunter2");
    expect(server.errors).toHaveLength(1);
  });

  test("does not hand another service's refusal on to its own caller", async () => {
    await using payment = await startPing({
      ping: () => {
        const metadata = new Metadata();
        metadata.set("x-reason", "theirs");
        throw new RpcError(status.UNAUTHENTICATED, "Who are you?", metadata);
      },
    });
    await using order = await startPing({
      ping: (_request, context) => payment.client.ping({}, { context }),
    });
    const error: unknown = await order.client.ping({}).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: status.INTERNAL, message: "" });
    expect((error as RpcError).metadata.get("x-reason")).toEqual([]);
    expect(order.errors).toMatchObject([{ code: status.UNAUTHENTICATED }]);
  });

  test.each([
    ["half a surrogate pair", "a\ud800b", "a\ufffdb"],
    ["line feeds and terminal escapes", "a\r\n\u001b[31mb", "a\r\n\u001b[31mb"],
    ["a percent sign", "100%41", "100%41"],
    ["more text than trailers hold", "x".repeat(200_000), "x".repeat(1024)],
  ])("answers with a text of %s", async (_what, text, expected) => {
    await using server = await startPing({
      ping: () => {
        throw new RpcError(status.ABORTED, text);
      },
    });
    await expect(server.client.ping({})).rejects.toMatchObject({ code: status.ABORTED, message: expected });
  });
});

describe("a unary call that is not wanted any more", () => {
  test("tells the handler when the deadline passes", async () => {
    const started = Promise.withResolvers<HandlerContext>();
    await using server = await startPing({
      ping: (_request, context) => {
        started.resolve(context);
        return never;
      },
    });
    await ready(server);
    const call = server.client.ping({}, { timeoutMs: 200 });
    call.catch(() => {});
    const { signal, deadlineMs } = await started.promise;
    expect(deadlineMs).toBeLessThanOrEqual(Date.now() + 200);
    await expect(call).rejects.toMatchObject({ name: "RpcError", code: status.DEADLINE_EXCEEDED });
    await aborted(signal);
  });

  test("tells the handler that it was the deadline, however early a timer runs", async () => {
    const reasons: unknown[] = [];
    await using server = await startPing({
      ping: (_request, { signal }) => {
        void aborted(signal).then((reason) => reasons.push(reason));
        return never;
      },
    });
    const bare = connectBare(server, "Ping");
    const call = { bytes: framed(Buffer.alloc(0)), end: true, headers: { "grpc-timeout": "100m" } };
    const answers = await Promise.all(Array.from({ length: 50 }, () => bareCall(bare, call)));
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set([status.DEADLINE_EXCEEDED]));
    await vi.waitFor(() => expect(reasons).toHaveLength(50), 10_000);
    for (const reason of reasons) expect(reason).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    bare.session.destroy();
  });

  test("does not report what a cancelled handler's own waiting rejects with", async () => {
    const started = Promise.withResolvers<HandlerContext>();
    const ended = Promise.withResolvers<void>();
    await using server = await startPing({
      ping: async (request, context) => {
        if (request.text === "still there?") return {};
        started.resolve(context);
        await aborted(context.signal);
        ended.resolve();
        throw new DOMException("aborted", "AbortError");
      },
    });
    const caller = new AbortController();
    const call = server.client.ping({}, { signal: caller.signal });
    await started.promise;
    caller.abort();
    await expect(call).rejects.toMatchObject({ code: status.CANCELLED });
    await ended.promise;
    await server.client.ping({ text: "still there?" });
    expect(server.errors).toEqual([]);
  });

  test("does not tell the handler of a call that has ended", async () => {
    const contexts: HandlerContext[] = [];
    await using server = await startPing({
      ping: (_request, context) => {
        contexts.push(context);
        return {};
      },
    });
    await server.client.ping({});
    await server.client.ping({});
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([false, false]);
  });

  test("always has a deadline", async () => {
    await using server = await startPing({ ping: (_request, { deadlineMs }) => ({ text: String(deadlineMs) }) });
    const before = Date.now();
    const deadlineMs = Number((await server.client.ping({})).text);
    expect(deadlineMs).toBeGreaterThan(before + 25_000);
    expect(deadlineMs).toBeLessThanOrEqual(Date.now() + 30_000);
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])("refuses %s as time-out", async (timeoutMs) => {
    await using server = await startPing();
    await expect(server.client.ping({}, { timeoutMs })).rejects.toThrow(TypeError);
    expect(() => createClient(PingService, { channel: () => server.channel }, { timeoutMs })).toThrow(TypeError);
  });

  test("ends no later than the call that it is made for", async () => {
    await using server = await startPing({ ping: (_request, { deadlineMs }) => ({ text: String(deadlineMs) }) });
    const context = { signal: new AbortController().signal, deadlineMs: Date.now() + 5_000 };
    expect(Number((await server.client.ping({}, { context })).text)).toBeLessThanOrEqual(Date.now() + 5_000);
    const long = { ...context, deadlineMs: Date.now() + 60_000 };
    const shorter = await server.client.ping({}, { context: long, timeoutMs: 1_000 });
    expect(Number(shorter.text)).toBeLessThanOrEqual(Date.now() + 1_000);
  });

  test("is cancelled with the call that it is made for", async () => {
    const started = Promise.withResolvers<void>();
    await using server = await startPing({
      ping: () => {
        started.resolve();
        return never;
      },
    });
    const outer = new AbortController();
    const call = server.client.ping({}, { context: { signal: outer.signal, deadlineMs: Number.POSITIVE_INFINITY } });
    await started.promise;
    outer.abort();
    await expect(call).rejects.toMatchObject({ code: status.CANCELLED });
  });

  test("is not made at all if it is cancelled or late before it begins", async () => {
    let calls = 0;
    await using server = await startPing({
      ping: () => {
        calls += 1;
        return {};
      },
    });
    const late = { signal: new AbortController().signal, deadlineMs: Date.now() - 1 };
    await expect(server.client.ping({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: status.CANCELLED,
    });
    await expect(server.client.ping({}, { context: late })).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(calls).toBe(0);
  });
});

describe("a unary message that is not as it should be", () => {
  test("is refused with INVALID_ARGUMENT if it breaks a rule, without a word of its content", async () => {
    let calls = 0;
    await using server = await startPing({
      ping: () => {
        calls += 1;
        return {};
      },
    });
    await expect(server.client.ping({ text: "secret".repeat(200) })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: "The request breaks a rule of its definition.",
    });
    expect(calls).toBe(0);
  });

  test("is refused with INTERNAL and no text if it cannot be decoded", async () => {
    await using server = await startPing();
    expect(await sendBytes(server.raw, "Ping", undecodable)).toMatchObject({ code: status.INTERNAL, details: "" });
    expect(server.errors).toEqual([]);
    expect(await server.client.ping({ text: "next" })).toMatchObject({ text: "next" });
  });

  test("is an RpcError for the caller if it is a response that cannot be decoded", async () => {
    const garble: ServerInterceptor = (_method, call) =>
      new ServerInterceptingCall(call, { sendMessage: (_message, next) => next(undecodable) });
    await using server = await startPing({}, { server: { interceptors: [garble] } });
    await expect(server.client.ping({})).rejects.toMatchObject({ name: "RpcError", code: status.INTERNAL });
  });
});
