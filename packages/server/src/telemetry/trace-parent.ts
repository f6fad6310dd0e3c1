/** Where a call stands in a trace: of the header `traceparent` (W3C Trace Context, section 3.2) what matters here. */
export interface TraceParent {
  /** 32 lowercase hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 of them: the span that made the call. */
  readonly spanId: string;
}

export const traceParentKey = "traceparent";

/** Version 00 has exactly this form; ff is none, and a later version begins the same way and may go on after another hyphen. */
const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/u;

/** Far more than version 00 takes, and little enough to look at. */
const maxLength = 128;

/**
 * Reads a `traceparent` that a caller has sent: undefined for anything that is not exactly one. It names a trace and is no
 * reason to trust anybody; its flags are not read, so that no caller decides whether there is a trace.
 */
export function parseTraceParent(values: readonly unknown[]): TraceParent | undefined {
  const [value, ...others] = values;
  if (typeof value !== "string" || others.length > 0 || value.length > maxLength) return undefined;
  const [, version, traceId, spanId, rest] = form.exec(value) ?? [];
  if (traceId === undefined || spanId === undefined || (version === "00" && rest !== undefined)) return undefined;
  return { traceId, spanId };
}

/** Writes it, as sampled: all there is is recorded. */
export function formatTraceParent({ traceId, spanId }: TraceParent): string {
  return `00-${traceId}-${spanId}-01`;
}
