import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { expect, test } from "vitest";
import { SpanExport } from "./span-export.ts";

type OnResult = Parameters<SpanExporter["export"]>[1];

/** An export over an exporter that answers when it is told to. */
function exportOf(maxPending: number) {
  const counts: Record<string, number> = {};
  const said: string[] = [];
  const answers: OnResult[] = [];
  const exporter: SpanExporter = {
    export: (_, onResult) => void answers.push(onResult),
    shutdown: () => Promise.resolve(),
  };
  const log = {
    info: (message: string) => said.push(message),
    warn: (_: object, message: string) => said.push(message),
  };
  const spans = new SpanExport(exporter, {
    log: log as never,
    maxPending,
    instruments: {
      count: (_, labels, by = 1) => {
        const result = "result" in labels ? String(labels.result) : "";
        counts[result] = (counts[result] ?? 0) + by;
      },
    },
  });
  return { spans, counts, said, answers };
}
const taken = (count: number) =>
  Array.from({ length: count }, () => ({})) as unknown as Parameters<SpanExporter["export"]>[0];

test("a span that has no place is dropped and counted, also while those before it are being sent", () => {
  const { spans, counts, answers } = exportOf(3);
  expect(Array.from({ length: 5 }, () => spans.hasRoom())).toEqual([true, true, true, false, false]);
  spans.export(taken(3), () => undefined);
  expect(spans.hasRoom()).toBe(false);
  answers[0]?.({ code: 0 });
  expect(spans.hasRoom()).toBe(true);
  expect(counts).toEqual({ dropped: 3, exported: 3 });
});

test("what a collector does not take gives its place back too", () => {
  const { spans, counts, said, answers } = exportOf(2);
  expect([spans.hasRoom(), spans.hasRoom(), spans.hasRoom()]).toEqual([true, true, false]);
  spans.export(taken(2), () => undefined);
  answers[0]?.({ code: 1, error: new Error("canary") });
  expect(spans.hasRoom()).toBe(true);
  expect(counts).toEqual({ dropped: 1, failed: 2 });
  expect(said).toEqual(["the collector takes no spans; they are dropped, and calls go on"]);
});
