import { EventEmitter } from "node:events";
import { Metadata, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { incomingCall, type ServerCall } from "./incoming-call.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function callWith({ leftMs = 1_000, cancelled = false }: { leftMs?: number; cancelled?: boolean } = {}): ServerCall {
  const deadlineMs = Date.now() + leftMs;
  const own = { metadata: new Metadata(), cancelled, getDeadline: () => deadlineMs, sendMetadata: () => undefined };
  return Object.assign(new EventEmitter(), own);
}

test("a handler that never asks for its signal has no timer", () => {
  incomingCall(callWith());
  expect(vi.getTimerCount()).toBe(0);
});

test("a handler that asks late hears that its caller has cancelled", () => {
  const call = callWith();
  const { context } = incomingCall(call);
  call.emit("cancelled");
  expect(context.signal.reason).toMatchObject({ code: status.CANCELLED });
});

test("a handler hears that its caller had cancelled before it began", () => {
  expect(incomingCall(callWith({ cancelled: true })).context.signal.reason).toMatchObject({ code: status.CANCELLED });
});

test("a handler that asks when its time is over hears it at once", () => {
  const { context } = incomingCall(callWith({ leftMs: -1_000 }));
  expect(context.signal.reason).toMatchObject({ code: status.DEADLINE_EXCEEDED });
});

test("a handler has one signal, which tells it when its time is over", () => {
  const { context } = incomingCall(callWith());
  const { signal } = context;
  expect([signal.aborted, context.signal === signal]).toEqual([false, true]);
  vi.advanceTimersByTime(1_100);
  expect(signal.reason).toMatchObject({ code: status.DEADLINE_EXCEEDED });
});

test("the contexts of all calls have one getter, and a copy of one has its signal", () => {
  const [one, other] = [incomingCall(callWith()).context, incomingCall(callWith()).context];
  const property = (context: object) => Object.getOwnPropertyDescriptor(context, "signal");
  expect(property(one)).toHaveProperty("get");
  expect(property(one)).toEqual(property(other));
  expect({ ...one }.signal).toBe(one.signal);
  expect(other.signal).not.toBe(one.signal);
});

test("a call that has ended is not ended once more, and keeps no timer", () => {
  const asked = incomingCall(callWith());
  const { signal } = asked.context;
  asked.finish();
  const late = incomingCall(callWith());
  late.finish();
  expect([signal.aborted, late.context.signal.aborted, vi.getTimerCount()]).toEqual([false, false, 0]);
});
