/** When an address gets no calls for a while (gRFC A50). */
export interface OutlierDetection {
  /** How often it is looked at what became of the calls, in milliseconds; 1 000 if not given. */
  readonly intervalMs?: number;
  /** Of an address's calls in that time, how many percent have to end other than OK, more than; 50 if not given. */
  readonly failurePercent?: number;
  /** From how many calls in that time on an address is judged; 3 if not given. */
  readonly minCalls?: number;
  /** For how long it gets no calls, in milliseconds, longer each time that it is still no better; 10 000 if not given. */
  readonly ejectionMs?: number;
  /** For how long at most; 60 000 if not given: so long may a server that is well again stay without calls. */
  readonly maxEjectionMs?: number;
}

const defaults = { intervalMs: 1_000, failurePercent: 50, minCalls: 3, ejectionMs: 10_000, maxEjectionMs: 60_000 };

/** Where all fail alike it is not one of them that is at fault: so many are left in any case. */
const maxEjectionPercent = 50;
/** One alone has nobody to be compared with. */
const minimumHosts = 2;

/**
 * The `loadBalancingConfig` by which every address gets its turn, but those whose calls fail. grpc-js reads it by the names and
 * durations of the protobuf message, and not by those of its JSON.
 */
export function roundRobin(options: OutlierDetection = {}): readonly object[] {
  const { intervalMs, failurePercent, minCalls, ejectionMs, maxEjectionMs } = { ...defaults, ...options };
  for (const [name, value] of Object.entries({ intervalMs, minCalls, ejectionMs, maxEjectionMs })) {
    if (!Number.isInteger(value) || value < 1) throw new TypeError(`${name} must be a positive integer.`);
  }
  if (!(failurePercent >= 0 && failurePercent < 100))
    throw new TypeError("failurePercent must be from 0 to below 100.");
  const leaf = { round_robin: {} };
  const outlierDetection = {
    interval: duration(intervalMs),
    base_ejection_time: duration(ejectionMs),
    max_ejection_time: duration(maxEjectionMs),
    max_ejection_percent: maxEjectionPercent,
    failure_percentage_ejection: {
      threshold: failurePercent,
      enforcement_percentage: 100,
      minimum_hosts: minimumHosts,
      request_volume: minCalls,
    },
    child_policy: [leaf],
  };
  // The second is for a process in which outlier detection is turned off, which would balance nothing otherwise.
  return [{ outlier_detection: outlierDetection }, leaf];
}

function duration(ms: number): { readonly seconds: number; readonly nanos: number } {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}
