import { Metadata, status } from "@grpc/grpc-js";
import type { PingService } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { type CallOptions, type Client, type HandlerContext, type Handlers, RpcError } from "../src/index.ts";
import { aborted, collect, type PingServerOptions, ready, startPing } from "./ping-server.ts";

/** Answers a call of any kind: takes its requests, yields the size of each answer in bytes. */
export type Body = (
  requests: AsyncIterable<object>,
  context: HandlerContext,
) => AsyncGenerator<number, void, undefined>;

/** One kind of call, in the terms that all four have in common. */
export interface Kind {
  readonly name: string;
  /** Whether more than one response can be sent. */
  readonly streamsResponses: boolean;
  /** A handler of this kind; where there is one answer, it is the first that the body yields. */
  readonly handler: (body: Body) => Partial<Handlers<typeof PingService>>;
  /** Makes a call with requests of these sizes, the first of them where there is one; yields the answers. */
  readonly call: (client: Client<typeof PingService>, requests: Sizes, options?: CallOptions) => AsyncIterable<object>;
}

/** Sizes of messages in bytes. */
export type Sizes = AsyncGenerator<number, void, undefined>;

/** The first of some values. */
export async function first<T>(values: AsyncIterable<T>): Promise<T> {
  for await (const value of values) return value;
  throw new Error("There is no value.");
}

/** The first of some values, when all have been read. */
export async function only<T>(values: AsyncIterable<T>): Promise<T> {
  const [value] = await collect(values);
  if (value === undefined) throw new Error("There is no value.");
  return value;
}

const shopIsClosed = { code: status.FAILED_PRECONDITION, message: "The shop is closed." };

async function* sizes(...values: readonly number[]): Sizes {
  yield* values;
}

async function* failing(error: Error, ...before: readonly number[]): Sizes {
  yield* before;
  throw error;
}

/** Small requests without end; tells when nobody wants more. */
function unending(): { readonly requests: Sizes; readonly closed: Promise<void> } {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  async function* requests(): Sizes {
    try {
      for (;;) yield 10;
    } finally {
      resolve();
    }
  }
  return { requests: requests(), closed };
}

/** A body that waits until it is not wanted any more. */
function waiting(): { readonly body: Body; readonly started: Promise<void>; readonly reason: Promise<unknown> } {
  const started = Promise.withResolvers<void>();
  const reason = Promise.withResolvers<unknown>();
  async function* body(_requests: unknown, { signal }: HandlerContext): ReturnType<Body> {
    void aborted(signal).then(reason.resolve);
    started.resolve();
    await reason.promise;
    yield 0;
  }
  return { body, started: started.promise, reason: reason.promise };
}

function marked(): Metadata {
  const metadata = new Metadata();
  metadata.set("x-text", "some ASCII, with = and %41");
  metadata.set("x-data-bin", Buffer.from([0, 255, 10, 13]));
  return metadata;
}

function marksOf(metadata: Metadata | undefined): unknown[] {
  return [metadata?.get("x-text"), metadata?.get("x-data-bin")];
}

/** What every kind of call has to do, in the same words. */
export const cells: Readonly<Record<string, (kind: Kind) => Promise<void>>> = {
  async "is answered"({ streamsResponses, handler, call }: Kind): Promise<void> {
    await using server = await startPing(
      handler(async function* answer(requests) {
        expect((await collect(requests)).length).toBeGreaterThan(0);
        yield* [1, 2, 3];
      }),
    );
    expect(await collect(call(server.client, sizes(10, 20)))).toHaveLength(streamsResponses ? 3 : 1);
    expect(server.errors).toEqual([]);
  },

  async "fails before the first message"({ handler, call }: Kind): Promise<void> {
    await using server = await startPing(handler(() => failing(new RpcError(shopIsClosed.code, shopIsClosed.message))));
    const answers: object[] = [];
    const read = async (): Promise<void> => {
      for await (const answer of call(server.client, sizes(10))) answers.push(answer);
    };
    await expect(read()).rejects.toMatchObject({ name: "RpcError", ...shopIsClosed });
    expect(answers).toEqual([]);
  },

  async "fails after some messages, which arrive"({ streamsResponses, handler, call }: Kind): Promise<void> {
    await using server = await startPing(
      handler(async function* fail(requests) {
        await first(requests);
        yield* [1, 2];
        throw new RpcError(shopIsClosed.code, shopIsClosed.message);
      }),
    );
    const answers: object[] = [];
    const read = async (): Promise<void> => {
      for await (const answer of call(server.client, sizes(10, 20))) answers.push(answer);
    };
    await expect(read()).rejects.toMatchObject({ name: "RpcError", ...shopIsClosed });
    expect(answers).toHaveLength(streamsResponses ? 2 : 0);
  },

  async "is cancelled by its caller"({ handler, call }: Kind): Promise<void> {
    const { body, started, reason } = waiting();
    await using server = await startPing(handler(body));
    const caller = new AbortController();
    const { requests } = unending();
    const answers = collect(call(server.client, requests, { signal: caller.signal }));
    void started.then(() => caller.abort());
    await expect(answers).rejects.toMatchObject({ name: "RpcError", code: status.CANCELLED });
    expect(await reason).toMatchObject({ name: "RpcError", code: status.CANCELLED });
    expect(server.errors).toEqual([]);
  },

  async "is cancelled by its handler, which ends the requests"({ handler, call }: Kind): Promise<void> {
    await using server = await startPing(
      handler(async function* cancel(requests) {
        await first(requests);
        yield 1;
        throw new RpcError(status.CANCELLED, "Given up.");
      }),
    );
    const { requests, closed } = unending();
    const answers = collect(call(server.client, requests));
    await expect(answers).rejects.toMatchObject({ code: status.CANCELLED, message: "Given up." });
    await closed;
  },

  async "is cut off by its server, which tells both sides"({ handler, call }: Kind): Promise<void> {
    const { body, started, reason } = waiting();
    await using server = await startPing(handler(body));
    const answers = collect(call(server.client, unending().requests));
    void started.then(() => server.forceShutdown());
    await expect(answers).rejects.toBeInstanceOf(RpcError);
    expect(await reason).toMatchObject({ name: "RpcError", code: status.CANCELLED });
  },

  async "ends at its deadline, on both sides"({ handler, call }: Kind): Promise<void> {
    const { body, reason } = waiting();
    await using server = await startPing(handler(body));
    await ready(server);
    const answers = collect(call(server.client, unending().requests, { timeoutMs: 300 }));
    await expect(answers).rejects.toMatchObject({ name: "RpcError", code: status.DEADLINE_EXCEEDED });
    expect(await reason).toBeInstanceOf(RpcError);
    expect(server.errors).toEqual([]);
  },

  async "refuses a request that is too large, and serves the next"({ handler, call }: Kind): Promise<void> {
    const received: object[] = [];
    await using server = await startPing(
      handler(async function* count(requests) {
        for await (const request of requests) received.push(request);
        yield 1;
      }),
      { server: { "grpc.max_receive_message_length": 1_000 } },
    );
    const answers = collect(call(server.client, sizes(2_000)));
    await expect(answers).rejects.toMatchObject({ name: "RpcError", code: status.RESOURCE_EXHAUSTED });
    expect(received).toEqual([]);
    expect(await collect(call(server.client, sizes(900)))).toHaveLength(1);
    expect(server.errors).toEqual([]);
  },

  async "refuses a response that is too large, on either side"({ handler, call }: Kind): Promise<void> {
    const tooLarge = handler(async function* answer() {
      yield 2_000;
    });
    const limits: PingServerOptions[] = [
      { server: { "grpc.max_send_message_length": 1_000 } },
      { channel: { "grpc.max_receive_message_length": 1_000 } },
    ];
    for (const limit of limits) {
      await using server = await startPing(tooLarge, limit);
      const answers = collect(call(server.client, sizes(10)));
      await expect(answers).rejects.toMatchObject({ name: "RpcError", code: status.RESOURCE_EXHAUSTED });
    }
  },

  async "carries metadata both ways, text and bytes"({ handler, call }: Kind): Promise<void> {
    await using server = await startPing(
      handler(async function* echo(_requests, { metadata, responseHeaders }) {
        for (const name of ["x-text", "x-data-bin"]) responseHeaders.set(name, metadata.get(name)[0] ?? "");
        yield 1;
      }),
    );
    let headers: Metadata | undefined;
    const onHeaders = (metadata: Metadata): void => {
      headers = metadata;
    };
    await collect(call(server.client, sizes(10), { metadata: marked(), onHeaders }));
    expect(marksOf(headers)).toEqual(marksOf(marked()));
  },

  async "carries trailers with its status, good or bad"({ handler, call }: Kind): Promise<void> {
    let fails = false;
    await using server = await startPing(
      handler(async function* answer(_requests, { responseTrailers }) {
        yield 1;
        if (fails) throw new RpcError(shopIsClosed.code, shopIsClosed.message, marked());
        responseTrailers.merge(marked());
      }),
    );
    let trailers: Metadata | undefined;
    const onTrailers = (metadata: Metadata): void => {
      trailers = metadata;
    };
    await collect(call(server.client, sizes(10), { onTrailers }));
    expect(marksOf(trailers)).toEqual(marksOf(marked()));
    fails = true;
    const error: unknown = await collect(call(server.client, sizes(10), { onTrailers })).catch((e: unknown) => e);
    expect(error).toMatchObject(shopIsClosed);
    expect(marksOf((error as RpcError).metadata)).toEqual(marksOf(marked()));
    expect(marksOf(trailers)).toEqual(marksOf(marked()));
  },

  async "throws what its caller's listeners throw"({ handler, call }: Kind): Promise<void> {
    await using server = await startPing(
      handler(async function* answer() {
        yield 1;
      }),
    );
    const fail = (): never => {
      throw new RangeError("no such column");
    };
    await expect(collect(call(server.client, sizes(10), { onHeaders: fail }))).rejects.toThrow(RangeError);
    await expect(collect(call(server.client, sizes(10), { onTrailers: fail }))).rejects.toThrow(RangeError);
    expect(await collect(call(server.client, sizes(10)))).toHaveLength(1);
  },

  async "answers INTERNAL without text, and reports the cause, whatever else is thrown"(kind: Kind): Promise<void> {
    const cause = new Error("password=hunter2");
    const throwing: readonly Body[] = [
      () => failing(cause),
      () => failing(cause, 1),
      async function* inFinally() {
        try {
          yield 1;
        } finally {
          await Promise.reject(cause);
        }
      },
      function insteadOfReturning() {
        throw cause;
      },
    ];
    for (const body of throwing) {
      await using server = await startPing(kind.handler(body));
      const error: unknown = await collect(kind.call(server.client, sizes(10))).catch((e: unknown) => e);
      expect(error).toMatchObject({ name: "RpcError", code: status.INTERNAL, message: "" });
      expect(JSON.stringify(error)).not.toContain("hunter2");
      expect(server.errors).toEqual([cause]);
    }
  },
};

/** Makes the same claims of a kind of call as of the three others. */
export function matrix(kind: Kind): void {
  describe(`any call, and so a ${kind.name} one,`, () => {
    test.each(Object.entries(cells))("%s", async (_name, cell) => {
      expect.hasAssertions();
      await cell(kind);
    });
  });
}
