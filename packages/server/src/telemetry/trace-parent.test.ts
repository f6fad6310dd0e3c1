import { expect, test } from "vitest";
import { formatTraceParent, parseTraceParent } from "./trace-parent.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

test.each([
  ["version 00", `00-${traceId}-${spanId}-01`],
  ["not sampled, which is the caller's opinion", `00-${traceId}-${spanId}-00`],
  ["a later version that goes on", `01-${traceId}-${spanId}-01-what-is-to-come`],
])("reads a traceparent: %s", (_, value) => {
  expect(parseTraceParent([value])).toEqual({ traceId, spanId });
});

test.each([
  ["none", []],
  ["an empty one", [""]],
  ["two", [`00-${traceId}-${spanId}-01`, `00-${traceId}-${spanId}-01`]],
  ["two that were joined", [`00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`]],
  ["bytes", [Buffer.from(`00-${traceId}-${spanId}-01`)]],
  ["capitals", [`00-${traceId.toUpperCase()}-${spanId}-01`]],
  ["a trace of zeros", [`00-${"0".repeat(32)}-${spanId}-01`]],
  ["a span of zeros", [`00-${traceId}-${"0".repeat(16)}-01`]],
  ["a short trace", [`00-${traceId.slice(1)}-${spanId}-01`]],
  ["a long span", [`00-${traceId}-${spanId}0-01`]],
  ["version ff", [`ff-${traceId}-${spanId}-01`]],
  ["version 00 that goes on", [`00-${traceId}-${spanId}-01-more`]],
  ["a later version without its hyphen", [`01-${traceId}-${spanId}-01more`]],
  ["a line after it", [`00-${traceId}-${spanId}-01\n`]],
  ["spaces around it", [` 00-${traceId}-${spanId}-01 `]],
  ["a secret in its place", ["sk-live-canary"]],
  ["more than anybody needs", [`01-${traceId}-${spanId}-01-${"a".repeat(100)}`]],
])("ignores %s", (_, values) => {
  expect(parseTraceParent(values)).toBeUndefined();
});

test("writes what it reads", () => {
  expect(parseTraceParent([formatTraceParent({ traceId, spanId })])).toEqual({ traceId, spanId });
});
