import { EventEmitter } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { type handleUnaryCall, Metadata, Server, status } from "@grpc/grpc-js";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { collect, sendBytes, startPing } from "../test/ping-server.ts";
import { addService } from "./add-service.ts";
import { RpcError } from "./rpc-error.ts";

test("refuses a service without a handler for every method, and names the method", () => {
  const { ping: _, ...rest } = pingHandlers();
  // @ts-expect-error the type forbids it too
  expect(() => addService(new Server(), PingService, rest)).toThrow(
    new TypeError('No handler for /zerotrust.testkit.v1.PingService/Ping: add a function named "ping".'),
  );
});

test("calls handlers as methods of their object", async () => {
  const handlers = {
    ...pingHandlers<Metadata>(),
    text: "kept",
    ping(): { text: string } {
      return { text: this.text };
    },
  };
  await using server = await startPing(handlers);
  expect(await server.client.ping({})).toMatchObject({ text: "kept" });
});

test.each([
  [
    "throws",
    () => {
      throw new Error("disk full");
    },
  ],
  ["rejects", () => Promise.reject(new Error("disk full"))],
])("answers the caller even if the report of a failure %s", async (_how, onError) => {
  const ping = (): never => {
    throw new Error("password=hunter2");
  };
  // oxlint-disable-next-line typescript/no-misused-promises -- nothing keeps a user from it
  await using server = await startPing({ ping }, { onError });
  expect(await sendBytes(server.raw, "Ping", Buffer.alloc(0))).toMatchObject({ code: status.INTERNAL, details: "" });
});

test.each([
  ["is none", 1 as never],
  ["gives no iterator", { [Symbol.asyncIterator]: () => undefined } as never],
  ["throws at once", iterating({ next: () => fail() })],
  ["rejects", iterating({ next: () => Promise.reject(new Error("password=hunter2")) })],
  ["yields what is no message, and throws when it is closed", iterating({ next: noMessage, return: () => fail() })],
  [
    "yields what is no message, and rejects when it is closed",
    iterating({ next: noMessage, return: () => Promise.reject(new Error("password=hunter2")) }),
  ],
])("answers INTERNAL if what a handler returns as a stream %s", async (_what, stream) => {
  await using server = await startPing({ pingMany: () => stream, pingEach: () => stream });
  for (const method of ["PingMany", "PingEach"]) {
    const answer = await sendBytes(server.raw, method, Buffer.alloc(0));
    expect(answer).toMatchObject({ code: status.INTERNAL, details: "" });
  }
  expect(server.errors).toHaveLength(2);
});

test.each([
  ["is a proxy that answers nothing", revoked],
  ["is an RpcError whose text is none", () => Object.assign(new RpcError(status.NOT_FOUND, ""), { message: 7 })],
  ["is an RpcError without metadata", () => Object.assign(new RpcError(status.NOT_FOUND, ""), { metadata: undefined })],
])("answers INTERNAL if what a handler throws %s", async (_what, make) => {
  const throwing = (): never => {
    throw make();
  };
  const handlers = { ping: throwing, pingMany: throwing, pingSum: throwing, pingEach: throwing };
  let reported = 0;
  const onError = (): void => {
    reported += 1;
  };
  await using server = await startPing(handlers, { onError });
  for (const method of ["Ping", "PingMany", "PingSum", "PingEach"]) {
    const answer = await sendBytes(server.raw, method, Buffer.alloc(0));
    expect(answer).toMatchObject({ code: status.INTERNAL, details: "" });
  }
  expect(reported).toBe(4);
});

test("answers for a handler that is an async function where a generator belongs", async () => {
  const cause = new Error("password=hunter2");
  const rejecting = (): never => Promise.reject(cause) as never;
  await using server = await startPing({ pingMany: rejecting, pingEach: rejecting });
  for (const method of ["PingMany", "PingEach"]) {
    const answer = await sendBytes(server.raw, method, Buffer.alloc(0));
    expect(answer).toMatchObject({ code: status.INTERNAL, details: "" });
  }
  expect(server.errors).toEqual([cause, cause]);
});

test("answers INTERNAL, and reports why, if the metadata of an answer is too large to be sent", async () => {
  await using server = await startPing({
    ping: (_request, { responseHeaders }) => {
      responseHeaders.set("x-large", "x".repeat(20_000));
      return {};
    },
    async *pingMany(_request, { responseTrailers }) {
      responseTrailers.set("x-large", "x".repeat(20_000));
      yield {};
    },
  });
  await expect(server.client.ping({})).rejects.toMatchObject({ code: status.INTERNAL, message: "" });
  await expect(collect(server.client.pingMany({}))).rejects.toMatchObject({ code: status.INTERNAL, message: "" });
  expect(server.errors).toMatchObject([{ name: "RangeError" }, { name: "RangeError" }]);
});

// On a busy server the handler may hear of it before the limit has answered, so it is called here without one.
test("answers DEADLINE_EXCEEDED for a handler whose waiting the deadline has cut short", async () => {
  const added: Record<string, handleUnaryCall<Buffer, Buffer>> = {};
  const server = { addService: (_: unknown, methods: object) => Object.assign(added, methods) };
  const errors: unknown[] = [];
  const handlers = {
    ...pingHandlers<Metadata>(),
    ping: (_: unknown, { signal }: { readonly signal: AbortSignal }) => wait(60_000, {}, { signal }),
  };
  addService(server as never, PingService, handlers, { onError: (error) => errors.push(error) });
  const deadlineMs = Date.now() + 10;
  const call = { metadata: new Metadata(), cancelled: false, request: Buffer.alloc(0), getDeadline: () => deadlineMs };
  const answer = await new Promise((resolve) => {
    added["Ping"]?.(Object.assign(new EventEmitter(), call) as never, resolve);
  });
  expect(answer).toMatchObject({ code: status.DEADLINE_EXCEEDED, details: "The deadline has passed." });
  expect(errors).toEqual([]);
});

function fail(): never {
  throw new Error("password=hunter2");
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function noMessage(): Promise<IteratorResult<never>> {
  return Promise.resolve({ done: false, value: 7 as never });
}

function iterating(iterator: AsyncIterator<never>): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => iterator };
}
