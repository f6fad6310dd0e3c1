import * as grpc from "@grpc/grpc-js";
import type { DecisionEvent } from "@zero-trust/auth";
import { destination as fileDestination, type Logger, pino, stdTimeFunctions } from "pino";
import { redact, redactText } from "./redact.ts";

/** A structured log: one JSON object a line. */
export type Log = Logger;

/** Where the lines of a log go. */
export interface LogDestination {
  /** Never throws: whoever writes a line has something else to do. */
  write(line: string): void;
  /** Writes one that somebody relies on: throws when it cannot leave the process at once. As `write` unless given. */
  writeOut?(line: string): void;
  /** Whether it took what was written last; for `zt_log_writable`. */
  readonly takesLines?: boolean;
}

/** How a log is made. */
export interface LogOptions {
  /** The service's name, in every line. */
  readonly name: string;
  /** `trace`, `debug`, `info` (the default), `warn`, `error`, `fatal` or `silent`. */
  readonly level?: string;
  /** Standard output unless given. */
  readonly destination?: LogDestination;
}

/**
 * Creates a JSON log (RFC 8259, one object a line, ISO 8601 time) that writes no secret by name or by shape, and nothing
 * but printable ASCII: what a caller sent can neither start a new line nor reach the reader's terminal.
 */
export function createLog(options: LogOptions): Log {
  const { name, destination = standardOutput() } = options;
  const log = pino(
    {
      name,
      level: options.level ?? "info",
      base: {},
      timestamp: isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: redactFields,
      },
      // Errors are already reduced by `redactFields`; pino's own serializer would bring their other properties back.
      serializers: { err: (error: unknown) => error },
      hooks: {
        logMethod(args, method) {
          // The message is not part of the fields, and an error in its place would skip them.
          const [first, ...rest] = args as readonly unknown[];
          const safe = first instanceof Error ? [{ err: first }, first.message] : [first];
          const parts = [...safe, ...rest].map((part) => (typeof part === "string" ? redactText(part) : part));
          Reflect.apply(method, this, parts);
        },
        streamWrite: escapeLine,
      },
    },
    destination,
  );
  madeHere.set(log, { name, destination });
  // The fields of children pass no formatter. Children inherit this method, so theirs do here.
  const child = Reflect.get(log, "child") as unknown as (bindings: object) => Log;
  log.child = function redactedChild(this: Log, bindings: object, ...rest: readonly unknown[]) {
    return Reflect.apply(child, this, [redactFields(bindings), ...rest]) as never;
  };
  return log;
}

/**
 * What a record is about, in its field `log`: every decision on a call, every connection that was refused, every token, and
 * when the process listens and closes, which tools wait for.
 */
export type RecordKind = "connection" | "lifecycle" | "token";

/**
 * Makes the log of one kind of records. It writes them whatever the level of the log is: that is for those who look for
 * a mistake, and these say who was let in, and when.
 */
export function recordLog(log: Log, kind: RecordKind): Log {
  return log.child({ log: kind }, { level: "info" });
}

/**
 * Returns a logger for `grpc.setLogger`. Of a message about a header that grpc-js rejects, which holds the header's
 * value, only the name is kept; its traces print metadata whole, credentials included, and are not written at all.
 */
export function grpcLogger(log: Log): Partial<Console> {
  const grpcLog = log.child({ log: "grpc" });
  const text = (parts: readonly unknown[]): string =>
    parts
      .map(String)
      .join(" ")
      .replace(/^(Failed to add metadata entry :?[^:]{0,64}).*$/su, "$1");
  return {
    error: (...parts: unknown[]) => grpcLog.error(text(parts)),
    info: (...parts: unknown[]) => grpcLog.info(text(parts)),
    debug: () => undefined,
  };
}

/**
 * Makes what writes decisions to a log. Their texts are harmless already (`Printable`), so they are not looked through once more,
 * which would take longer than all the rest of writing them. The lines are as pino would make them. That a call is let in has left
 * the process when the call goes on; where it cannot, what is returned here throws.
 *
 * @throws TypeError for a log that `createLog` did not make
 */
export function decisionLog(log: Log): (event: DecisionEvent) => void {
  const made = madeHere.get(log);
  if (made === undefined) throw new TypeError("Decisions are written to a log of createLog().");
  const { name, destination } = made;
  // What else there is of a line is printable already.
  const head = escapeLine(`,"name":${JSON.stringify(name)},"log":"decision",`);
  return (event) => {
    // Field by field: to copy whatever there is takes longer than to write it. What is undefined is not written.
    const fields = {
      method: event.method,
      outcome: event.outcome,
      shadow: event.shadow,
      reason: event.reason,
      cause: event.cause,
      peer: event.peer,
      certificate: event.certificate,
      client: event.client,
      credentials: event.credentials,
      credentialIds: event.credentialIds,
      rule: event.rule,
      latencyMs: event.latencyMs,
    } satisfies Record<Exclude<keyof DecisionEvent, "time">, unknown>;
    const line = `{"level":"info"${isoTime()}${head}${JSON.stringify(fields).slice(1, -1)},"msg":"decision"}\n`;
    if (event.outcome === "allowed" && destination.writeOut !== undefined) destination.writeOut(line);
    else destination.write(line);
  };
}

/** What lines are written to, and by whom: pino keeps both to itself. */
const madeHere = new WeakMap<Log, { readonly name: string; readonly destination: LogDestination }>();

/** Whether the lines of a log are taken where they are written to; undefined where that is not known. */
export function takesLines(log: Log): boolean | undefined {
  return madeHere.get(log)?.destination.takesLines;
}

/** Makes grpc-js write to this log, in place of the console. */
export function installGrpcLogger(log: Log): void {
  grpc.setLogger(grpcLogger(log));
}

let timeMs = Number.NaN;
let timeField = "";

/** As pino's own, made once a millisecond. */
function isoTime(): string {
  const nowMs = Date.now();
  if (nowMs !== timeMs) {
    timeMs = nowMs;
    timeField = stdTimeFunctions.isoTime();
  }
  return timeField;
}

/** Lines that are this long together are not kept waiting; in characters. */
const MAX_WAITING = 16 * 1024;
/** What is kept of lines that cannot be written, in characters; what comes after that is lost. */
const MAX_KEPT = 1024 * 1024;
let output: LogDestination | undefined;

/**
 * Standard output. What is said in one go is one write (of all calls that a revoked key ends, for instance), before the event loop goes on.
 * What waits is written at the end of the process too: the last line before an exit is the one that is needed. A full disk, or a reader
 * that is gone, does not end the process; what could not be written is tried again with the next line.
 */
function standardOutput(): LogDestination {
  if (output !== undefined) return output;
  const file = fileDestination({ dest: 1, sync: true, maxLength: MAX_KEPT });
  let fault: Error | undefined;
  file.on("error", (error: Error) => {
    fault = error;
  });
  file.on("write", () => {
    fault = undefined;
  });
  let waiting = "";
  const send = (): void => {
    if (waiting !== "") file.write(waiting);
    waiting = "";
  };
  process.on("exit", send);
  output = {
    write(line) {
      if (waiting === "") process.nextTick(send);
      waiting += line;
      if (waiting.length >= MAX_WAITING) send();
    },
    writeOut(line) {
      waiting += line;
      send();
      if (fault !== undefined) throw new Error("standard output takes no lines", { cause: fault });
    },
    get takesLines() {
      return fault === undefined;
    },
  };
  return output;
}

function redactFields(fields: object): Record<string, unknown> {
  return redact(fields) as Record<string, unknown>;
}

/** Everything outside printable ASCII as a JSON escape; in a line of JSON it can only stand inside a string. */
function escapeLine(line: string): string {
  // Nearly none has any, and to look is cheaper than to replace nothing.
  if (!/[^\n\x20-\x7e]/.test(line)) return line;
  return line.replaceAll(/[^\n\x20-\x7e]/gu, (character) =>
    // By code unit: a character beyond the basic plane is a pair of escapes (RFC 8259, section 7).
    Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
      .map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`)
      .join(""),
  );
}
