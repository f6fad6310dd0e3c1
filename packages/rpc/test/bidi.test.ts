import { type Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { PingEachRequestSchema, PingEachResponseSchema } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { type HandlerContext, RpcError } from "../src/index.ts";
import { type Endless, endless, paddedAll } from "./large-messages.ts";
import { matrix } from "./matrix.ts";
import { aborted, collect, sendBytes, startPing, streamOf, undecodable } from "./ping-server.ts";

const never = new Promise<never>(() => {});

const endlessTexts = (): Endless<{ text: string }> => endless({ text: "x".repeat(1_000) });

matrix({
  name: "bidirectional",
  streamsResponses: true,
  handler: (body) => ({
    pingEach: (requests, context) => paddedAll(PingEachResponseSchema, body(requests, context)),
  }),
  async *call(client, requests, options) {
    yield* client.pingEach(paddedAll(PingEachRequestSchema, requests), options);
  },
});

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
    const { requests, closed } = endlessTexts();
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
});

describe("a bidirectional handler that fails", () => {
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
    const { requests, closed } = endlessTexts();
    for await (const { text } of server.client.pingEach(requests)) if (text !== "") break;
    await closed;
    await handlerClosed.promise;
    expect(await aborted((await context.promise).signal)).toMatchObject({ code: status.CANCELLED });
    expect(server.errors).toEqual([]);
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
});
