import { type Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { longestTimerMs } from "./longest-timer.ts";
import { tell } from "./tell.ts";
import { callTookTooLong, replaceWireTexts, type WireCall } from "./wire-sentence.ts";

/** How long the calls of a server may take. */
export interface CallLimitsOptions {
  /**
   * How long a caller may let the server wait for the first message, and for the end of a request that is only one, in
   * milliseconds; 5 s if not given.
   */
  readonly firstMessageMs?: number;
  /** How long a unary call may take from its headers to its status, in milliseconds; 30 s if not given. */
  readonly unaryMs?: number;
  /** How long a call of any other kind may take, in milliseconds; as long as its caller likes if not given. */
  readonly streamMs?: number;
  /**
   * Is given what another interceptor threw into grpc-js, where it would have ended the process, and what a handler did that
   * has answered twice; see `callLimits`. What it throws itself, or rejects with, is ignored.
   */
  readonly onError?: (error: unknown, method: string) => void;
}

/** A message of a megabyte takes that long at 1.7 Mbit/s; who has nothing to say by then holds a stream for nothing. */
const defaultFirstMessageMs = 5_000;
/** As long as a client of this package waits unless told otherwise. */
const defaultUnaryMs = 30_000;

/**
 * Makes a server interceptor that ends calls which take too long with DEADLINE_EXCEEDED; it comes first in the list of
 * interceptors, nearest the wire, so that what the others do is limited too. They are told by `onCancel`, a handler by
 * its `signal`, and `deadlineMs` shows the limit from the start, so that calls which a handler makes are shortened by it.
 *
 * The first message has to be there `firstMessageMs` after it was asked for, half of it never counts; where there is only
 * one, the end of the request has as long again. A handler that reads late, or has sent something first, is not waiting for its caller, and
 * its stream goes on.
 *
 * An interceptor behind this one that throws ends its call with INTERNAL and no text, and so does a handler of grpc-js that
 * answers twice where one answer is meant; the texts with which grpc-js itself
 * ends calls, some of which quote the caller, are replaced by fixed sentences. Throws a TypeError for a limit that is none.
 *
 * @example
 * ```ts
 * import { Server } from "@grpc/grpc-js";
 * import { callLimits } from "@zero-trust/rpc";
 *
 * export const server = new Server({ interceptors: [callLimits({ unaryMs: 10_000, streamMs: 3_600_000 })] });
 * ```
 */
export function callLimits(options: CallLimitsOptions = {}): ServerInterceptor {
  const firstMessageMs = checkLimit("firstMessageMs", options.firstMessageMs ?? defaultFirstMessageMs);
  const unaryMs = checkLimit("unaryMs", options.unaryMs ?? defaultUnaryMs);
  const streamMs = options.streamMs === undefined ? Number.POSITIVE_INFINITY : checkLimit("streamMs", options.streamMs);
  return function limitCall({ path, requestStream, responseStream }, call) {
    const callMs = requestStream || responseStream ? streamMs : unaryMs;
    const report = (error: unknown): void => void tell(() => options.onError?.(error, path));
    return new LimitedCall(call, { requestStream, responseStream, firstMessageMs, callMs, report });
  };
}

function checkLimit(name: string, ms: number): number {
  if (ms > 0 && ms <= longestTimerMs) return ms;
  throw new TypeError(`${name} must be a positive number of milliseconds, ${longestTimerMs} at most.`);
}

interface Limits {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly firstMessageMs: number;
  /** May be Infinity. */
  readonly callMs: number;
  readonly report: (error: unknown) => void;
}

type Listener = Parameters<WireCall["start"]>[0];
type PartialStatus = Parameters<WireCall["sendStatus"]>[0];

/** Passes everything on until a limit is reached, and nothing afterwards. */
class LimitedCall extends ServerInterceptingCall {
  readonly #call: WireCall;
  readonly #sendStatus: WireCall["sendStatus"];
  readonly #limits: Limits;
  readonly #wholeCall: NodeJS.Timeout | undefined;
  #firstMessage: NodeJS.Timeout | undefined;
  #deadlineMs: number;
  #listener: Listener | undefined;
  #state: "open" | "answered" | "ended" = "open";
  #firstRead: "to come" | "waited for" | "over" = "to come";
  #hasAnswer = false;

  constructor(call: WireCall, limits: Limits) {
    super(call);
    this.#call = call;
    this.#sendStatus = replaceWireTexts(call);
    this.#limits = limits;
    const nowMs = Date.now();
    this.#deadlineMs = Math.min(Number(call.getDeadline()), nowMs + limits.callMs);
    const remainingMs = Math.max(0, this.#deadlineMs - nowMs);
    if (remainingMs <= longestTimerMs) {
      // It holds no process: a call that has lost its connection before it began never tells of its end.
      this.#wholeCall = setTimeout(() => this.#expire(callTookTooLong), remainingMs).unref();
    }
  }

  override start(listener: Listener): void {
    this.#listener = listener;
    this.#call.start({
      onReceiveMetadata: (metadata) => this.#guard(() => listener.onReceiveMetadata(metadata)),
      onReceiveMessage: (message) => {
        // The end of a single request is waited for from when it is asked for: who checks the message may take his time.
        this.#stopWaiting(this.#limits.requestStream ? "over" : "to come");
        this.#guard(() => listener.onReceiveMessage(message));
      },
      onReceiveHalfClose: () => {
        this.#stopWaiting();
        this.#guard(() => listener.onReceiveHalfClose());
      },
      onCancel: () => {
        this.#stopTimers();
        this.#tellCancelled();
      },
    });
  }

  override startRead(): void {
    if (this.#state === "ended") return;
    if (this.#firstRead === "to come" && this.#state === "open") this.#startWaiting();
    this.#call.startRead();
  }

  override sendMetadata(metadata: Metadata): void {
    if (this.#state === "ended") return;
    this.#hasSpoken();
    this.#call.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    if (this.#state === "ended") return;
    // A client of grpc-js that gets two answers to one request waits until its deadline.
    if (this.#hasAnswer && !this.#limits.responseStream) {
      this.#fail(new Error("A handler has answered twice."));
      return;
    }
    this.#hasAnswer = true;
    this.#hasSpoken();
    this.#call.sendMessage(message, () => this.#guard(callback));
  }

  override sendStatus(answer: PartialStatus): void {
    if (this.#state === "ended") return;
    this.#state = "answered";
    this.#stopTimers();
    this.#sendStatus(answer);
  }

  override getDeadline(): number {
    return this.#deadlineMs;
  }

  #expire(sentence: string): void {
    if (this.#state !== "open") return;
    // Whoever asks why the call has ended sees that the time is over.
    this.#deadlineMs = Math.min(this.#deadlineMs, Date.now());
    this.#end({ code: status.DEADLINE_EXCEEDED, details: sentence });
  }

  #end(answer: PartialStatus): void {
    this.#state = "ended";
    this.#stopTimers();
    this.#sendStatus(answer);
    // grpc-js tells it only once the status could be sent, which a caller that does not read can put off.
    this.#tellCancelled();
  }

  #tellCancelled(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener !== undefined) this.#guard(() => listener.onCancel());
  }

  /** Runs what lies behind the limits, which grpc-js does not expect to throw. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#state !== "ended") this.#end({ code: status.INTERNAL, details: "" });
    this.#limits.report(error);
  }

  /** A server that speaks first, or gives up a stream of requests, does not wait for what it has not read. */
  #hasSpoken(): void {
    if (this.#limits.requestStream) this.#stopWaiting();
  }

  #startWaiting(): void {
    const expire = (): void => {
      if (this.#firstMessage === timer) this.#expire("The request did not arrive in time.");
    };
    // After a turn of the event loop, in which what has arrived is read: it is not the caller who is late if we are.
    const timer = setTimeout(() => setImmediate(expire), this.#limits.firstMessageMs).unref();
    this.#firstMessage = timer;
    this.#firstRead = "waited for";
  }

  #stopWaiting(next: "to come" | "over" = "over"): void {
    clearTimeout(this.#firstMessage);
    this.#firstMessage = undefined;
    this.#firstRead = next;
  }

  #stopTimers(): void {
    this.#stopWaiting();
    clearTimeout(this.#wholeCall);
  }
}
