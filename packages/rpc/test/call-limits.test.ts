import type { IncomingHttpHeaders } from "node:http2";
import { setTimeout } from "node:timers/promises";
import { type Responder, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { PingService } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { callLimits, type HandlerContext, RpcError } from "../src/index.ts";
import { aborted, bareCall, collect, connectBare, framed, ready, settled, startPing, streamOf } from "./ping-server.ts";

/** Somebody who is slow, which is what is tested: until a limit would have struck, had it been meant. */
const outlast = (limitMs: number): Promise<void> => setTimeout(2.5 * limitMs);
const never = new Promise<never>(() => {});
const empty = framed(Buffer.alloc(0));
const requestLate = { code: status.DEADLINE_EXCEEDED, details: "The request did not arrive in time." };
const callLate = { code: status.DEADLINE_EXCEEDED, details: "The call took too long." };

/** An interceptor behind the limits, which decides about a call when its message is there, and counts what it hears. */
function decider(): { readonly interceptor: ServerInterceptor; readonly heard: string[] } {
  const heard: string[] = [];
  const interceptor: ServerInterceptor = (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            heard.push("metadata");
            pass(metadata);
          },
          onReceiveMessage: (message, pass) => {
            heard.push("message");
            pass(message);
          },
          onCancel: () => void heard.push("cancel"),
        }),
    });
  return { interceptor, heard };
}

describe("a caller that lets the server wait for the first message", () => {
  test.each([
    ["nothing comes after the headers", "Ping", {}],
    ["nothing comes after the headers", "PingMany", {}],
    ["nothing comes after the headers", "PingSum", {}],
    ["nothing comes after the headers", "PingEach", {}],
    ["half a message comes", "Ping", { bytes: empty.subarray(0, 3) }],
    ["half a message comes", "PingMany", { bytes: framed(Buffer.alloc(100)).subarray(0, 50) }],
    ["half a message comes", "PingSum", { bytes: framed(Buffer.alloc(100)).subarray(0, 50) }],
    ["half a message comes", "PingEach", { bytes: empty.subarray(0, 3) }],
    ["a message comes and no end of the request", "Ping", { bytes: empty }],
    ["a message comes and no end of the request", "PingMany", { bytes: empty }],
  ])("is told DEADLINE_EXCEEDED when %s (%s), and so is what is behind the limits", async (_what, method, sent) => {
    const { interceptor, heard } = decider();
    await using server = await startPing(
      {},
      { server: { interceptors: [callLimits({ firstMessageMs: 150 }), interceptor] } },
    );
    const bare = connectBare(server, method);
    expect(await bareCall(bare, sent)).toEqual(requestLate);
    bare.session.destroy();
    expect(heard.filter((event) => event === "cancel")).toHaveLength(1);
    expect(server.errors).toEqual([]);
  });

  test.each(["pingSum", "pingEach"] as const)("aborts the signal of a handler that reads (%s)", async (method) => {
    const reason = Promise.withResolvers<unknown>();
    const read = async (requests: AsyncIterable<unknown>, { signal }: HandlerContext): Promise<object> => {
      void aborted(signal).then(reason.resolve);
      await collect(requests);
      return {};
    };
    await using server = await startPing(
      {
        pingSum: read,
        async *pingEach(requests, context) {
          yield await read(requests, context);
        },
      },
      { server: { interceptors: [callLimits({ firstMessageMs: 150 })] } },
    );
    const bare = connectBare(server, method === "pingSum" ? "PingSum" : "PingEach");
    expect(await bareCall(bare)).toEqual(requestLate);
    bare.session.destroy();
    expect(await reason.promise).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(server.errors).toEqual([]);
  });

  test("is not meant where it is the server that is late", async () => {
    const { interceptor, heard } = decider();
    await using server = await startPing(
      {},
      { server: { interceptors: [callLimits({ firstMessageMs: 150 }), interceptor] } },
    );
    const { session, headers } = connectBare(server, "Ping");
    const stream = session.request(headers);
    const told = new Promise((resolve) => stream.on("response", (answer) => resolve(answer["grpc-status"])));
    await vi.waitFor(() => expect(heard).toEqual(["metadata"]));
    stream.end(empty, () => {
      // The message is on its way when the process has something else to do for a while.
      for (const end = Date.now() + 300; Date.now() < end; );
    });
    // Headers without a status: an answer follows.
    expect(await told).toBeUndefined();
    session.destroy();
  });

  test("is not meant where what decides about the message takes its time", async () => {
    const deciding: ServerInterceptor = (_method, call) =>
      new ServerInterceptingCall(call, {
        start: (next) => next({ onReceiveMessage: (message, pass) => void outlast(240).then(() => pass(message)) }),
      });
    await using server = await startPing(
      {},
      { server: { interceptors: [callLimits({ firstMessageMs: 150 }), deciding] } },
    );
    expect(await server.client.ping({ text: "decided" })).toMatchObject({ text: "decided" });
    expect(await collect(server.client.pingMany({ count: 1 }))).toHaveLength(1);
  });

  test("is not meant where the handler reads late", async () => {
    await using server = await startPing(
      {
        pingSum: async (requests) => {
          await outlast(400);
          return { count: (await collect(requests)).length };
        },
      },
      { server: { interceptors: [callLimits({ firstMessageMs: 400 })] } },
    );
    expect(await server.client.pingSum(streamOf({ value: 1 }))).toMatchObject({ count: 1 });
  });

  test("is not meant where the first message was there in time, however late the others are", async () => {
    await using server = await startPing({}, { server: { interceptors: [callLimits({ firstMessageMs: 400 })] } });
    async function* slow(): AsyncGenerator<{ value: number }> {
      yield { value: 1 };
      await outlast(400);
      yield { value: 2 };
    }
    expect(await server.client.pingSum(slow())).toMatchObject({ sum: 3n });
  });

  test("is not meant where the handler speaks first", async () => {
    await using server = await startPing(
      {
        async *pingEach(requests) {
          const read = collect(requests);
          yield { text: "what is it?" };
          for (const { text } of await read) yield { text };
        },
      },
      { server: { interceptors: [callLimits({ firstMessageMs: 400 })] } },
    );
    async function* slow(): AsyncGenerator<{ text: string }> {
      await outlast(400);
      yield { text: "first" };
      await outlast(400);
      yield { text: "second" };
    }
    const answers = await collect(server.client.pingEach(slow()));
    expect(answers.map(({ text }) => text)).toEqual(["what is it?", "first", "second"]);
  });
});

describe("a call that takes too long", () => {
  test.each([
    ["without a deadline", {}],
    ["with a deadline in 24 days", { "grpc-timeout": "2147483S" }],
    ["with the latest deadline that can be sent", { "grpc-timeout": "99999999H" }],
  ])("ends at the server's maximum %s", async (_what, headers) => {
    const started = Promise.withResolvers<HandlerContext>();
    const { interceptor, heard } = decider();
    await using server = await startPing(
      {
        ping: (_request, context) => {
          started.resolve(context);
          return never;
        },
      },
      { server: { interceptors: [callLimits({ unaryMs: 300 }), interceptor] } },
    );
    const bare = connectBare(server, "Ping");
    const call = bareCall(bare, { bytes: empty, end: true, headers });
    const { signal, deadlineMs } = await started.promise;
    expect(deadlineMs).toBeLessThanOrEqual(Date.now() + 300);
    expect(await call).toEqual(callLate);
    bare.session.destroy();
    expect(await aborted(signal)).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(heard).toEqual(["metadata", "message", "cancel"]);
  });

  test("ends at its own deadline if that is earlier", async () => {
    await using server = await startPing(
      { ping: (_request, { deadlineMs }) => ({ text: String(deadlineMs) }) },
      { server: { interceptors: [callLimits()] } },
    );
    expect(Number((await server.client.ping({}, { timeoutMs: 5_000 })).text)).toBeLessThanOrEqual(Date.now() + 5_000);
    const longer = Number((await server.client.ping({}, { timeoutMs: 300_000 })).text);
    expect(longer).toBeGreaterThan(Date.now() + 20_000);
    expect(longer).toBeLessThanOrEqual(Date.now() + 30_000);
  });

  test("shortens what its handler calls", async () => {
    await using payment = await startPing({ ping: (_request, { deadlineMs }) => ({ text: String(deadlineMs) }) });
    await using order = await startPing(
      { ping: (request, context) => payment.client.ping(request, { context, timeoutMs: 60_000 }) },
      { server: { interceptors: [callLimits({ unaryMs: 4_000 })] } },
    );
    const { text } = await order.client.ping({}, { timeoutMs: 60_000 });
    expect(Number(text)).toBeGreaterThan(0);
    expect(Number(text)).toBeLessThanOrEqual(Date.now() + 4_000);
  });

  test("gets no other answer afterwards, whatever the handler does", async () => {
    const answered = Promise.withResolvers<void>();
    await using server = await startPing(
      {
        ping: async ({ text }, { signal }) => {
          if (text !== "") return { text };
          await aborted(signal);
          answered.resolve();
          return { text: "too late" };
        },
      },
      { server: { interceptors: [callLimits({ unaryMs: 200 })] } },
    );
    await ready(server);
    // Many, since it takes less than a millisecond to be wrong.
    const calls = await Promise.allSettled(Array.from({ length: 30 }, () => server.client.ping({})));
    for (const call of calls) {
      expect(call).toMatchObject({ status: "rejected", reason: { code: callLate.code, message: callLate.details } });
    }
    await answered.promise;
    expect(await collect(server.client.pingMany({ count: 1 }))).toHaveLength(1);
    expect(server.errors).toEqual([]);
  });

  test("may be a stream of any length, unless that is limited too", async () => {
    const streams = {
      async *pingMany(_request: unknown, { signal }: HandlerContext) {
        yield { text: "begun" };
        await aborted(signal);
      },
    };
    await using unlimited = await startPing(
      {
        async *pingMany(_request, { deadlineMs }) {
          yield { text: String(deadlineMs) };
          await outlast(200);
          yield { text: "end" };
        },
      },
      { server: { interceptors: [callLimits({ unaryMs: 200, firstMessageMs: 200 })] } },
    );
    expect(await collect(unlimited.client.pingMany({}))).toHaveLength(2);
    await using limited = await startPing(streams, { server: { interceptors: [callLimits({ streamMs: 300 })] } });
    await ready(limited);
    await expect(collect(limited.client.pingMany({}))).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  });

  test("is over for the server even if the caller does not read what it is told, or does so late", async () => {
    const closed = Promise.withResolvers<void>();
    const { interceptor, heard } = decider();
    // Answers once more after the end, as a handler that knows no signal would.
    const stubborn: ServerInterceptor = (_method, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onCancel: () => {
              call.sendStatus({ code: status.OK, details: "" });
              call.sendMessage(Buffer.alloc(64), () => {});
            },
          }),
      });
    await using server = await startPing(
      {
        async *pingMany() {
          try {
            for (;;) yield { text: "x".repeat(64 * 1024) };
          } finally {
            closed.resolve();
          }
        },
      },
      { server: { interceptors: [callLimits({ streamMs: 300 }), stubborn, interceptor] } },
    );
    const { session, headers } = connectBare(server, "PingMany");
    const stream = session.request(headers);
    const told = new Promise((resolve, reject) => {
      stream.on("trailers", (trailers: IncomingHttpHeaders) => resolve(trailers["grpc-status"])).on("error", reject);
    });
    stream.end(empty);
    await closed.promise;
    await vi.waitFor(() => expect(heard).toEqual(["metadata", "message", "cancel"]));
    stream.resume();
    expect(Number(await told)).toBe(status.DEADLINE_EXCEEDED);
    session.destroy();
  });
});

test("leaves no timer behind when a call has ended, in whatever way", async () => {
  const [firstMessageMs, unaryMs, streamMs] = [61_001, 61_002, 61_003];
  const set = vi.spyOn(globalThis, "setTimeout");
  const clear = vi.spyOn(globalThis, "clearTimeout");
  try {
    await using server = await startPing(
      {},
      {
        server: {
          "grpc.max_receive_message_length": 1_000,
          interceptors: [callLimits({ firstMessageMs, unaryMs, streamMs })],
        },
      },
    );
    const ours = (ms: unknown): boolean => typeof ms === "number" && ms > streamMs - 1_000 && ms <= streamMs;
    const timers = (): unknown[] =>
      set.mock.results.flatMap(({ value }, at) => (ours(set.mock.calls[at]?.[1]) ? [value as unknown] : []));
    await server.client.ping({}, { timeoutMs: 120_000 });
    await collect(server.client.pingEach(streamOf({ text: "a" }), { timeoutMs: 120_000 }));
    for await (const { index } of server.client.pingMany({ count: 9 }, { timeoutMs: 120_000 })) if (index === 0) break;
    const bare = connectBare(server, "PingSum");
    // Refused by grpc-js itself, while the handler still waits.
    const refused = await bareCall(bare, { bytes: framed(Buffer.alloc(2_000)).subarray(0, 10) });
    expect(refused).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    const left = (): number => {
      const cleared = new Set(clear.mock.calls.map(([timer]) => timer));
      return timers().filter((timer) => !cleared.has(timer as NodeJS.Timeout)).length;
    };
    await settled(server, left);
    expect(timers().length).toBeGreaterThanOrEqual(6);
    expect(left()).toBe(0);
    bare.session.destroy();
  } finally {
    set.mockRestore();
    clear.mockRestore();
  }
});

test("a call that is late already is ended at once, and not by a timer in the past, of which Node would complain", async () => {
  class Late extends ServerInterceptingCall {
    override getDeadline(): number {
      return Date.now() - 1_000;
    }
  }
  const set = vi.spyOn(globalThis, "setTimeout");
  try {
    await using server = await startPing({ ping: () => never }, { server: { interceptors: [late, callLimits()] } });
    await expect(server.client.ping({})).rejects.toMatchObject({ code: callLate.code, message: callLate.details });
    expect(set.mock.calls.map(([, ms]) => ms).filter((ms) => ms !== undefined && ms < 0)).toEqual([]);
  } finally {
    set.mockRestore();
  }

  function late(_method: unknown, call: ConstructorParameters<typeof Late>[0]): Late {
    return new Late(call);
  }
});

describe("an interceptor behind the limits that throws", () => {
  const fail = (): never => {
    throw new Error("password=hunter2");
  };
  const throwing = {
    onReceiveMetadata: { start: (next) => next({ onReceiveMetadata: fail }) },
    onReceiveMessage: { start: (next) => next({ onReceiveMessage: fail }) },
    onReceiveHalfClose: { start: (next) => next({ onReceiveHalfClose: fail }) },
    sendStatus: { sendStatus: fail },
  } satisfies Record<string, Responder>;

  test.each(Object.entries(throwing))("ends its call and not the process (%s)", async (_where, responder) => {
    const errors: unknown[] = [];
    let broken = true;
    const interceptor: ServerInterceptor = (_method, call) => new ServerInterceptingCall(call, broken ? responder : {});
    const limits = callLimits({ onError: (error, method) => errors.push(error, method) });
    await using server = await startPing({}, { server: { interceptors: [limits, interceptor] } });
    await expect(server.client.ping({})).rejects.toMatchObject({ code: status.INTERNAL, message: "" });
    expect(errors).toEqual([expect.objectContaining({ message: "password=hunter2" }), `/${PingService.typeName}/Ping`]);
    broken = false;
    expect(await server.client.ping({ text: "next" })).toMatchObject({ text: "next" });
  });

  test.each([
    ["throws", fail],
    ["rejects", () => Promise.reject(new Error("password=hunter2"))],
  ])("ends its call and not the process even if the report of that %s", async (_how, onError) => {
    const interceptor: ServerInterceptor = (_method, call) =>
      new ServerInterceptingCall(call, throwing.onReceiveMessage);
    // oxlint-disable-next-line typescript/no-misused-promises -- nothing keeps a user from it
    await using server = await startPing({}, { server: { interceptors: [callLimits({ onError }), interceptor] } });
    await expect(server.client.ping({})).rejects.toMatchObject({ code: status.INTERNAL, message: "" });
  });

  test.each(["sendMetadata", "sendMessage", "sendStatus"])(
    "leaves its call to the limits where no answer gets past it (%s)",
    async (where) => {
      const interceptor: ServerInterceptor = (_method, call) => new ServerInterceptingCall(call, { [where]: fail });
      const interceptors = [callLimits({ unaryMs: 200 }), interceptor];
      const ping = (): object => {
        if (where === "sendStatus") throw new RpcError(status.NOT_FOUND, "There is no such thing.");
        return {};
      };
      await using server = await startPing({ ping }, { server: { interceptors } });
      await expect(server.client.ping({})).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
      expect(server.errors).toMatchObject([{ message: "password=hunter2" }]);
    },
  );
});

describe("a handler of grpc-js that answers twice", () => {
  type Answer = (error: null, message: Buffer) => void;

  test.each([
    ["at once", status.INTERNAL, (answer: Answer) => answer(null, Buffer.of())],
    // The first answer is with the caller by then.
    ["later", status.OK, (answer: Answer) => void setTimeout(20).then(() => answer(null, Buffer.of()))],
  ])("ends its call alone, and is reported (%s)", async (_when, code, again) => {
    const errors: unknown[] = [];
    const interceptors = [callLimits({ onError: (error) => errors.push(error) })];
    await using server = await startPing({}, { server: { interceptors } });
    const twice = (_: unknown, answer: Answer) => {
      answer(null, Buffer.of());
      again(answer);
    };
    const asIs = (bytes: Buffer) => bytes;
    server.register("/test.Twice/Answer", twice, asIs, asIs, "unary");
    const answered = () =>
      new Promise((resolve) => {
        server.raw.makeUnaryRequest(
          "/test.Twice/Answer",
          asIs,
          asIs,
          Buffer.of(),
          { deadline: Date.now() + 5_000 },
          (error) => resolve([error?.code ?? status.OK, error?.details ?? ""]),
        );
      });
    expect(await answered()).toEqual([code, ""]);
    expect(await answered()).toEqual([code, ""]);
    await vi.waitFor(() => expect(errors).toEqual(Array(2).fill(new Error("A handler has answered twice."))));
    expect(await server.client.ping({ text: "next" })).toMatchObject({ text: "next" });
  });
});

test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])("refuses %s as a limit", (ms) => {
  expect(() => callLimits({ firstMessageMs: ms })).toThrow(TypeError);
  expect(() => callLimits({ unaryMs: ms })).toThrow(TypeError);
  expect(() => callLimits({ streamMs: ms })).toThrow(TypeError);
});
