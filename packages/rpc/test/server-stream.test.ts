import { status } from "@grpc/grpc-js";
import { PingManyRequestSchema, PingManyResponseSchema } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { RpcError } from "../src/index.ts";
import { padded, paddedAll } from "./large-messages.ts";
import { first, matrix } from "./matrix.ts";
import {
  aborted,
  collect,
  connectBare,
  ready,
  sendBytes,
  settled,
  startPing,
  streamOf,
  undecodable,
} from "./ping-server.ts";

const never = new Promise<never>(() => {});

/** Counts how far a stream of large messages has been produced. */
function largeMessages(): {
  readonly produced: () => number;
  readonly messages: () => AsyncGenerator<{ text: string }>;
} {
  const text = "x".repeat(64 * 1024);
  let produced = 0;
  return {
    produced: () => produced,
    async *messages(): AsyncGenerator<{ text: string }> {
      for (; produced < 5_000; produced += 1) yield { text };
    },
  };
}

matrix({
  name: "server-streaming",
  streamsResponses: true,
  handler: (body) => ({
    pingMany: (request, context) => paddedAll(PingManyResponseSchema, body(streamOf(request), context)),
  }),
  async *call(client, requests, options) {
    yield* client.pingMany(padded(PingManyRequestSchema, {}, await first(requests)), options);
  },
});

describe("a server-streaming call", () => {
  test("is answered in order", async () => {
    await using server = await startPing();
    const answers = await collect(server.client.pingMany({ text: "a", count: 100 }));
    expect(answers.map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  test("may have no answers, and empty ones", async () => {
    await using server = await startPing({
      async *pingMany(request) {
        if (request.count > 0) yield {};
      },
    });
    expect(await collect(server.client.pingMany({ count: 0 }))).toEqual([]);
    expect(await collect(server.client.pingMany({ count: 1 }))).toHaveLength(1);
  });

  test("sends its headers even if there is no answer", async () => {
    await using server = await startPing({
      async *pingMany({ count }, { responseHeaders }) {
        responseHeaders.set("x-reason", "nothing today");
        if (count > 0) yield {};
      },
    });
    const reasons: unknown[] = [];
    await collect(server.client.pingMany({}, { onHeaders: (headers) => reasons.push(...headers.get("x-reason")) }));
    expect(reasons).toEqual(["nothing today"]);
  });

  test("begins when the first answer is asked for", async () => {
    const texts: string[] = [];
    await using server = await startPing({
      async *pingMany({ text }) {
        texts.push(text);
        yield {};
      },
    });
    server.client.pingMany({ text: "not read" });
    await collect(server.client.pingMany({ text: "read" }));
    expect(texts).toEqual(["read"]);
  });
});

describe("a server-streaming handler that fails", () => {
  test("answers with the RpcError that it throws instead of returning a stream", async () => {
    await using server = await startPing({
      pingMany: () => {
        throw new RpcError(status.ABORTED, "No.");
      },
    });
    await expect(collect(server.client.pingMany({}))).rejects.toMatchObject({ code: status.ABORTED, message: "No." });
  });

  test("answers INTERNAL when it yields what is no response, and closes the generator", async () => {
    const closed = Promise.withResolvers<void>();
    await using server = await startPing({
      async *pingMany() {
        try {
          yield { index: -1 };
        } finally {
          closed.resolve();
        }
      },
    });
    await expect(collect(server.client.pingMany({}))).rejects.toMatchObject({ code: status.INTERNAL, message: "" });
    await closed.promise;
    expect(server.errors).toHaveLength(1);
  });

  test("is told of a message larger than may be sent", async () => {
    const closed = Promise.withResolvers<void>();
    await using server = await startPing(
      {
        async *pingMany() {
          try {
            for (;;) yield { text: "x".repeat(2_000) };
          } finally {
            closed.resolve();
          }
        },
      },
      { server: { "grpc.max_send_message_length": 1_000 } },
    );
    await expect(collect(server.client.pingMany({}))).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    await closed.promise;
  });
});

describe("a server-streaming call that is not wanted any more", () => {
  test("is cancelled by leaving the loop, which closes the handler's generator", async () => {
    const reason = Promise.withResolvers<unknown>();
    const closed = Promise.withResolvers<void>();
    await using server = await startPing({
      async *pingMany(_request, { signal }) {
        signal.addEventListener("abort", () => reason.resolve(signal.reason));
        try {
          for (let index = 0; ; index += 1) yield { index };
        } finally {
          closed.resolve();
        }
      },
    });
    for await (const { index } of server.client.pingMany({})) if (index === 3) break;
    expect(await reason.promise).toMatchObject({ code: status.CANCELLED });
    await closed.promise;
    expect(server.errors).toEqual([]);
  });

  test("closes an iterator that waits for what never comes", async () => {
    const returned = Promise.withResolvers<void>();
    const waiting: AsyncIterator<{ index: number }> = {
      next: () => never,
      return: () => {
        returned.resolve();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
    await using server = await startPing({ pingMany: () => ({ [Symbol.asyncIterator]: () => waiting }) });
    await ready(server);
    const call = collect(server.client.pingMany({}, { signal: AbortSignal.timeout(100) }));
    await expect(call).rejects.toMatchObject({ name: "RpcError", code: status.CANCELLED });
    await returned.promise;
  });

  test("is cancelled while the handler waits for a slow reader", async () => {
    const { produced, messages } = largeMessages();
    const closed = Promise.withResolvers<void>();
    await using server = await startPing({
      async *pingMany() {
        try {
          yield* messages();
        } finally {
          closed.resolve();
        }
      },
    });
    const caller = new AbortController();
    const answers = server.client.pingMany({}, { signal: caller.signal })[Symbol.asyncIterator]();
    await answers.next();
    await settled(server, produced);
    caller.abort();
    await closed.promise;
    await expect(collect({ [Symbol.asyncIterator]: () => answers })).rejects.toMatchObject({ code: status.CANCELLED });
  });

  test("tells the handler of a deadline that the caller itself does not keep", async () => {
    const { messages } = largeMessages();
    const reason = Promise.withResolvers<unknown>();
    await using server = await startPing({
      pingMany: (_request, { signal }) => {
        void aborted(signal).then(reason.resolve);
        return messages();
      },
    });
    const { session, headers } = connectBare(server, "PingMany");
    const stream = session.request({ ...headers, "grpc-timeout": "200m" });
    stream.on("error", () => {});
    stream.end(Buffer.alloc(5));
    expect(await reason.promise).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    session.destroy();
  });

  test("ends at its deadline, also when nobody reads", async () => {
    const { messages } = largeMessages();
    const reason = Promise.withResolvers<unknown>();
    await using server = await startPing({
      pingMany: (_request, { signal }) => {
        void aborted(signal).then(reason.resolve);
        return messages();
      },
    });
    await ready(server);
    const answers = server.client.pingMany({}, { timeoutMs: 300 })[Symbol.asyncIterator]();
    await answers.next();
    expect(await reason.promise).toBeInstanceOf(RpcError);
    await expect(collect({ [Symbol.asyncIterator]: () => answers })).rejects.toMatchObject({
      code: status.DEADLINE_EXCEEDED,
    });
  });
});

describe("a server-streaming request that is not as it should be", () => {
  test("is refused with INVALID_ARGUMENT if it breaks a rule", async () => {
    await using server = await startPing();
    await expect(collect(server.client.pingMany({ count: 100_001 }))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: "The request breaks a rule of its definition.",
    });
  });

  test("is refused with INTERNAL and no text if it cannot be decoded", async () => {
    await using server = await startPing();
    expect(await sendBytes(server.raw, "PingMany", undecodable)).toMatchObject({ code: status.INTERNAL, details: "" });
    expect(await collect(server.client.pingMany({ count: 1 }))).toHaveLength(1);
  });

  test("is not sent if it cannot be serialized", async () => {
    await using server = await startPing();
    await expect(collect(server.client.pingMany({ count: -1 }))).rejects.toThrow(/count/);
  });
});
