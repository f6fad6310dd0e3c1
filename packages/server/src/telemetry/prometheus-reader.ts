import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MetricReader } from "@opentelemetry/sdk-metrics";

/** Series of one metric beyond which the rest is one series: far more than the labels of any metric can have here. */
const MAX_SERIES = 500;
/** Prometheus gives up after 10 s; a gauge that asks a database which does not answer is left out before that. */
const COLLECT_TIMEOUT_MS = 3_000;

/**
 * Reads the metrics as Prometheus's text. The exporter's own HTTP server is not used: it has no bounds, takes 0 for its default
 * port, and serves POST.
 */
export class PrometheusReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer("", false, undefined, false, true);

  constructor() {
    super({ cardinalitySelector: () => MAX_SERIES });
  }

  async text(): Promise<string> {
    const { resourceMetrics } = await this.collect({ timeoutMillis: COLLECT_TIMEOUT_MS });
    return this.#serializer.serialize(resourceMetrics);
  }

  protected override async onShutdown(): Promise<void> {
    // There is nothing to send.
  }

  protected override async onForceFlush(): Promise<void> {
    // Nor here.
  }
}
