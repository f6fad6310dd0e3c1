import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { Log } from "../log.ts";
import type { Instruments } from "./instruments.ts";

type Spans = Parameters<SpanExporter["export"]>[0];
type OnResult = Parameters<SpanExporter["export"]>[1];

/** What watches over an exporter. */
export interface SpanExportOptions {
  readonly log: Pick<Log, "info" | "warn">;
  readonly instruments: Pick<Instruments, "count">;
  readonly maxPending: number;
}

/** An exporter that counts what becomes of spans, and says once when the collector is away, and once when it is back. */
export class SpanExport implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #options: SpanExportOptions;
  #pending = 0;
  #isAway = false;

  constructor(exporter: SpanExporter, options: SpanExportOptions) {
    this.#exporter = exporter;
    this.#options = options;
  }

  /** Whether there is a place for another span, which is taken by asking; where there is none, the span is dropped. */
  hasRoom(): boolean {
    const { maxPending, instruments } = this.#options;
    if (this.#pending >= maxPending) {
      instruments.count("zt.spans", { result: "dropped" });
      return false;
    }
    this.#pending += 1;
    return true;
  }

  export(spans: Spans, onResult: OnResult): void {
    this.#exporter.export(spans, (result) => {
      this.#pending -= spans.length;
      this.#became(spans.length, result.error);
      onResult(result);
    });
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown();
  }

  #became(count: number, error: Error | undefined): void {
    const { log, instruments } = this.#options;
    instruments.count("zt.spans", { result: error === undefined ? "exported" : "failed" }, count);
    const isAway = error !== undefined;
    if (isAway === this.#isAway) return;
    this.#isAway = isAway;
    // Not the error itself: it may quote what the collector answered.
    if (isAway) log.warn({ code: codeOf(error) }, "the collector takes no spans; they are dropped, and calls go on");
    else log.info("the collector takes spans again");
  }
}

function codeOf(error: Error): string | number {
  return "code" in error && (typeof error.code === "string" || typeof error.code === "number")
    ? error.code
    : error.name;
}
