import { setImmediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import type { HandlerContext } from "@zero-trust/rpc";
import { expect, test } from "vitest";
import {
  HealthCheckRequestSchema,
  HealthListRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
} from "./gen/health/v1/health_pb.ts";
import { createHealth } from "./health.ts";

const request = (service: string) => create(HealthCheckRequestSchema, { service });
const context = (signal: AbortSignal = new AbortController().signal): HandlerContext => ({
  metadata: new grpc.Metadata(),
  signal,
  deadlineMs: Infinity,
  responseHeaders: new grpc.Metadata(),
  responseTrailers: new grpc.Metadata(),
});

test("is not serving until it is said to be, and not after shutdown", async () => {
  const health = createHealth();
  const status = async () => (await health.handlers.check(request(""), context())).status;
  expect(await status()).toBe(Status.NOT_SERVING);
  health.set("", true);
  expect(await status()).toBe(Status.SERVING);
  health.shutdown();
  health.set("", true);
  expect(await status()).toBe(Status.NOT_SERVING);
});

test("answers NOT_FOUND for a service that it does not know, also one named like a property", () => {
  const health = createHealth();
  for (const name of ["nobody", "__proto__", "constructor"]) {
    expect(() => health.handlers.check(request(name), context())).toThrow(
      expect.objectContaining({ code: grpc.status.NOT_FOUND }) as Error,
    );
  }
});

test("lists every service", async () => {
  const health = createHealth();
  health.set("a.v1.A", true);
  expect(await health.handlers.list(create(HealthListRequestSchema), context())).toEqual({
    statuses: { "": { status: Status.NOT_SERVING }, "a.v1.A": { status: Status.SERVING } },
  });
});

test("tells a watcher the status at once, then each change, and the end", async () => {
  const health = createHealth();
  const watch = health.handlers.watch(request("a.v1.A"), context())[Symbol.asyncIterator]();
  const next = async () => (await watch.next()).value as { status: Status } | undefined;
  expect(await next()).toEqual({ status: Status.SERVICE_UNKNOWN });
  const first = next();
  health.set("a.v1.A", true);
  expect(await first).toEqual({ status: Status.SERVING });
  const second = next();
  health.set("a.v1.A", true); // no change
  health.shutdown();
  expect(await second).toEqual({ status: Status.NOT_SERVING });
  expect(await watch.next()).toMatchObject({ done: true });
});

test("ends a watch when its call ends", async () => {
  const health = createHealth();
  const call = new AbortController();
  const watch = health.handlers.watch(request(""), context(call.signal))[Symbol.asyncIterator]();
  await watch.next();
  const end = watch.next();
  call.abort();
  expect(await end).toMatchObject({ done: true });
});

test("wakes no watcher, and keeps nothing, for what did not change", async () => {
  const health = createHealth();
  health.set("", true);
  const call = new AbortController();
  let waits = 0;
  let listeners = 0;
  // What the watch asks of its signal: each turn of it looks whether it is aborted, and each wait listens.
  const counted = new Proxy(call.signal, {
    get(signal, property) {
      if (property === "aborted") waits += 1;
      if (property === "addEventListener") listeners += 1;
      if (property === "removeEventListener") listeners -= 1;
      const value: unknown = Reflect.get(signal, property);
      return typeof value === "function" ? (value.bind(signal) as unknown) : value;
    },
  });
  const watch = health.handlers.watch(request(""), context(counted))[Symbol.asyncIterator]();
  await watch.next();
  const next = watch.next();
  await setImmediate();
  const before = waits;
  for (let tick = 0; tick < 10_000; tick += 1) {
    health.set("", true);
    if (tick % 1_000 === 0) await setImmediate();
  }
  await setImmediate();
  expect(waits).toBe(before);
  // A change of another service wakes it in vain, and leaves no listener behind.
  health.set("a.v1.A", true);
  await setImmediate();
  expect({ waits, listeners }).toEqual({ waits: before + 1, listeners: 1 });
  call.abort();
  expect(await next).toMatchObject({ done: true });
  expect(listeners).toBe(0);
});
