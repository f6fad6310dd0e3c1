import type { Counter, Histogram, Meter } from "@opentelemetry/api";
import {
  type CounterName,
  type HistogramName,
  type LabelsOf,
  type Metric,
  type MetricName,
  metricTable,
} from "./metric-table.ts";

/** What a gauge says when somebody looks: nothing where it cannot tell, or a value for each of its labels. */
export type Reading<N extends MetricName> =
  | number
  | undefined
  | readonly { readonly value: number | undefined; readonly labels: LabelsOf<N> }[];

/** Records the metrics of the table, and no others. */
export interface Instruments {
  /** Counts something. */
  readonly count: <N extends CounterName>(name: N, labels: LabelsOf<N>, by?: number) => void;
  /** Notes how long something took, in seconds. */
  readonly record: <N extends HistogramName>(name: N, seconds: number, labels: LabelsOf<N>) => void;
  /** Says how to find out a gauge, or a counter that is kept elsewhere; it is asked when somebody looks, and may throw. */
  readonly observe: <N extends MetricName>(name: N, read: () => Reading<N> | Promise<Reading<N>>) => void;
}

/** In seconds: from a decision in memory to the longest that a call may take, by the semantic conventions and some more. */
const durationBoundaries = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30,
];

/** Makes the instruments of a meter; each metric is made when it is first used. */
export function instruments(meter: Meter): Instruments {
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();

  function made<T>(all: Map<string, T>, name: MetricName, make: (row: Metric) => T): T {
    const instrument = all.get(name) ?? make(metricTable[name]);
    all.set(name, instrument);
    return instrument;
  }

  return {
    count(name, labels, by = 1) {
      made(counters, name, ({ unit, description }) => meter.createCounter(name, { unit, description })).add(by, labels);
    },
    record(name, seconds, labels) {
      const advice = { explicitBucketBoundaries: durationBoundaries };
      made(histograms, name, ({ unit, description }) =>
        meter.createHistogram(name, { unit, description, advice }),
      ).record(seconds, labels);
    },
    observe(name, read) {
      const { kind, unit, description }: Metric = metricTable[name];
      const options = { unit, description };
      const gauge =
        kind === "counter" ? meter.createObservableCounter(name, options) : meter.createObservableGauge(name, options);
      gauge.addCallback(async (result) => {
        const reading = await read();
        const points = typeof reading === "object" ? reading : [{ value: reading, labels: {} }];
        for (const { value, labels } of points) if (value !== undefined) result.observe(value, labels);
      });
    },
  };
}
