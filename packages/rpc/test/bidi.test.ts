import { type Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { type HandlerContext, RpcError } from "../src/index.ts";
import { aborted, collect, ready, sendBytes, settled, startPing, streamOf, undecodable } from "./ping-server.ts";

const never = new Promise<never>(() => {});

/** Requests without end, which tell how many were taken and when nobody wants more. */
function endless(): {
  readonly requests: AsyncGenerator<{ text: string }>;
  readonly taken: () => number;
  readonly closed: Promise<void>;
} {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let taken = 0;
  async function* generate(): AsyncGenerator<{ text: string }> {
    try {
      for (; taken < 1_000_000; taken += 1) yield { text: "x".repeat(1_000) };
    } finally {
      resolve();
    }
  }
  return { requests: generate(), taken: () => taken, closed };
}

describe("a bidirectional call", () => {
  test("answers message by message", async () => {
    await using server = await startPing();
    const answered: string[] = [];
    let goOn = Promise.withResolvers<void>();
    async function* questions(): AsyncGenerator<{ text: string }> {
      for (const text of ["a", "b", "c"]) {
        yield { text };
        await goOn.promise;
      }
    }
    for await (const { text } of server.client.pingEach(questions())) {
      answered.push(text);
      goOn.resolve();
      goOn = Promise.withResolvers<void>();
    }
    expect(answered).toEqual(["a", "b", "c"]);
  });

  test("may send nothing and get nothing", async () => {
    await using server = await startPing();
    expect(await collect(server.client.pingEach(streamOf()))).toEqual([]);
  });

  test("gives the handler the metadata object of the last interceptor", async () => {
    const identities = new WeakMap<Metadata, string>();
    const attach: ServerInterceptor = (_method, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              const copy = metadata.clone();
              identities.set(copy, "order-service");
              pass(copy);
            },
          }),
      });
    await using server = await startPing(
      {
        async *pingEach(requests, { metadata }) {
          for await (const { text } of requests) yield { text: `${text} of ${identities.get(metadata)}` };
        },
      },
      { server: { interceptors: [attach] } },
    );
    const answers = await collect(server.client.pingEach(streamOf({ text: "a" }, { text: "b" })));
    expect(answers.map(({ text }) => text)).toEqual(["a of order-service", "b of order-service"]);
  });

  test("may be ended by the handler before all has been read, which closes the caller's generator", async () => {
    await using server = await startPing({
      async *pingEach(requests) {
        for await (const { text } of requests) {
          yield { text: `${text.length}` };
          return;
        }
      },
    });
    const { requests, closed } = endless();
    expect(await collect(server.client.pingEach(requests))).toMatchObject([{ text: "1000" }]);
    await closed;
  });

  test("may be ended by the handler while it still waits for a request", async () => {
    await using server = await startPing({
      async *pingEach(requests) {
        requests[Symbol.asyncIterator]()
          .next()
          .catch(() => {});
        yield { text: "enough" };
      },
    });
    async function* silent(): AsyncGenerator<{ text: string }> {
      await never;
      yield { text: "" };
    }
    expect(await collect(server.client.pingEach(silent()))).toMatchObject([{ text: "enough" }]);
  });

  test("does not run ahead of a slow reader, in either direction", async () => {
    let answered = 0;
    await using server = await startPing({
      async *pingEach(requests) {
        for await (const { text } of requests) {
          answered += 1;
          yield { text: text.repeat(64) };
        }
      },
    });
    const { requests, taken, closed } = endless();
    const answers = server.client.pingEach(requests)[Symbol.asyncIterator]();
    await answers.next();
    const first = await settled(server, () => taken() + answered);
    expect(answered).toBeLessThan(500);
    expect(taken()).toBeLessThan(20_000);
    for (let read = 0; read < 200; read += 1) await answers.next();
    expect(await settled(server, () => taken() + answered)).toBeGreaterThan(first);
    await answers.return?.();
    await closed;
  });
});

describe("a bidirectional handler that fails", () => {
  test.each([
    ["before the first message", 0],
    ["after some messages", 3],
  ])("answers with the RpcError that it throws %s, after what it sent", async (_when, count) => {
    await using server = await startPing({
      async *pingEach() {
        for (let index = 0; index < count; index += 1) yield { text: "x" };
        throw new RpcError(status.FAILED_PRECONDITION, "The shop is closed.");
      },
    });
    const { requests, closed } = endless();
    const answers: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { text } of server.client.pingEach(requests)) answers.push(text);
    };
    await expect(read()).rejects.toMatchObject({ code: status.FAILED_PRECONDITION, message: "The shop is closed." });
    expect(answers).toHaveLength(count);
    await closed;
  });

  test("answers INTERNAL without text and reports the cause when it throws anything else", async () => {
    await using server = await startPing({
      async *pingEach(requests) {
        for await (const { text } of requests) {
          yield { text };
          throw new Error("password=hunter2");
        }
      },
    });
    const call = collect(server.client.pingEach(streamOf({ text: "a" }, { text: "b" })));
    await expect(call).rejects.toMatchObject({ code: status.INTERNAL, message: "" });
    expect(server.errors).toMatchObject([{ message: "password=hunter2" }]);
  });

  test("is answered for even if it fails while a request is awaited and answers are queued", async () => {
    await using server = await startPing({
      async *pingEach(requests) {
        requests[Symbol.asyncIterator]()
          .next()
          .catch(() => {});
        for (let index = 0; index < 40; index += 1) yield { text: "x".repeat(64 * 1024) };
        throw new RpcError(status.ABORTED, "No more.");
      },
    });
    async function* silent(): AsyncGenerator<{ text: string }> {
      await never;
      yield { text: "" };
    }
    await expect(collect(server.client.pingEach(silent()))).rejects.toMatchObject({
      code: status.ABORTED,
      message: "No more.",
    });
  });
});

describe("a bidirectional call that is not wanted any more", () => {
  test("is cancelled by leaving the loop, which closes both generators", async () => {
    const handlerClosed = Promise.withResolvers<void>();
    const context = Promise.withResolvers<HandlerContext>();
    await using server = await startPing({
      async *pingEach(requests, handlerContext) {
        context.resolve(handlerContext);
        try {
          for await (const { text } of requests) yield { text };
        } finally {
          handlerClosed.resolve();
        }
      },
    });
    const { requests, closed } = endless();
    for await (const { text } of server.client.pingEach(requests)) if (text !== "") break;
    await closed;
    await handlerClosed.promise;
    expect(await aborted((await context.promise).signal)).toMatchObject({ code: status.CANCELLED });
    expect(server.errors).toEqual([]);
  });

  test("is cancelled by the caller's signal and by its deadline", async () => {
    const ends: unknown[] = [];
    await using server = await startPing({
      async *pingEach(_requests, { signal }) {
        yield {};
        ends.push(await aborted(signal));
      },
    });
    async function* silent(): AsyncGenerator<{ text: string }> {
      await never;
      yield { text: "" };
    }
    await ready(server);
    await expect(collect(server.client.pingEach(silent(), { signal: AbortSignal.timeout(100) }))).rejects.toMatchObject(
      {
        code: status.CANCELLED,
      },
    );
    await expect(collect(server.client.pingEach(silent(), { timeoutMs: 100 }))).rejects.toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
    await settled(server, () => ends.length);
    expect(ends).toMatchObject([{ name: "RpcError" }, { name: "RpcError" }]);
  });

  test("is cancelled, and fails with the caller's own error, if its requests fail", async () => {
    await using server = await startPing();
    async function* failing(): AsyncGenerator<{ text: string }> {
      yield { text: "a" };
      throw new RangeError("no more rows");
    }
    await expect(collect(server.client.pingEach(failing()))).rejects.toThrow(RangeError);
  });
});

describe("a bidirectional message that is not as it should be", () => {
  test("ends the call with INVALID_ARGUMENT if it breaks a rule, after the answers to those before", async () => {
    await using server = await startPing();
    const texts: string[] = [];
    const read = async (): Promise<void> => {
      const requests = streamOf({ text: "a" }, { text: "x".repeat(1_001) }, { text: "b" });
      for await (const { text } of server.client.pingEach(requests)) texts.push(text);
    };
    await expect(read()).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: "The request breaks a rule of its definition.",
    });
    expect(texts).toEqual(["a"]);
  });

  test("ends the call with INTERNAL and no text if it cannot be decoded", async () => {
    await using server = await startPing();
    expect(await sendBytes(server.raw, "PingEach", undecodable)).toMatchObject({ code: status.INTERNAL, details: "" });
    expect(await collect(server.client.pingEach(streamOf({ text: "next" })))).toHaveLength(1);
  });

  test("ends the call with RESOURCE_EXHAUSTED if it is too large, and others are served", async () => {
    await using server = await startPing({}, { server: { "grpc.max_receive_message_length": 1_000 } });
    expect(await sendBytes(server.raw, "PingEach", Buffer.alloc(1_001))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    expect(await collect(server.client.pingEach(streamOf({ text: "next" })))).toHaveLength(1);
  });
});
