import type { DescMethod } from "@bufbuild/protobuf";
import { type Client, Metadata, status } from "@grpc/grpc-js";
import type { AttemptLimits } from "./attempts.ts";
import { type ChannelSource, clientOf } from "./channel-source.ts";
import type { HandlerContext } from "./handlers.ts";
import { http2Metadata } from "./own-metadata.ts";
import { markReceived } from "./received-error.ts";
import { RpcError } from "./rpc-error.ts";
import { methodPath } from "./service-definition.ts";

/** What one call can be told. There is no way to replace the credentials or interceptors of its channel. */
export interface CallOptions {
  /** How long to wait for the whole call, in milliseconds; the client's `timeoutMs` if not given. */
  readonly timeoutMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Headers to send; copied, without names that HTTP/2 has no headers for. */
  readonly metadata?: Metadata;
  /** Waits for a server that cannot be reached yet, until the deadline, where the call would fail with UNAVAILABLE. */
  readonly waitForReady?: boolean;
  /**
   * Gets the headers of the answer when they arrive, of each attempt that has any. What it throws ends the call and is thrown
   * to its caller.
   */
  readonly onHeaders?: (headers: Metadata) => void;
  /** Gets the trailers, which come with the status, good or bad, of each attempt. What it throws is thrown to the caller. */
  readonly onTrailers?: (trailers: Metadata) => void;
  /** The call being handled: this one ends no later, and is cancelled with it. Its headers are not passed on. */
  readonly context?: Pick<HandlerContext, "signal" | "deadlineMs">;
}

/** What every kind of call is made with. */
export interface CallStart {
  readonly path: string;
  readonly metadata: Metadata;
  readonly options: { readonly deadline: number };
}

/** A call that is about to be made. */
export interface OutgoingCall {
  readonly method: DescMethod;
  /** Makes the call; what grpc-js throws instead (the channel is closed) becomes an RpcError. */
  readonly start: <T>(make: (client: Client, start: CallStart) => T) => T;
  /** Calls `cancel` if the call is not wanted any more; returns what ends that watch. */
  readonly onCancel: (cancel: () => void) => () => void;
}

/** One method of a client. */
export interface ClientMethodTarget {
  readonly method: DescMethod;
  readonly channels: ChannelSource;
  readonly timeoutMs: number;
  /** For unary calls that may be repeated; one attempt has all the time unless given. */
  readonly attempts?: AttemptLimits | undefined;
}

/** When a call ends at the latest, as Unix time in milliseconds. */
export function callDeadline(target: ClientMethodTarget, options: CallOptions): number {
  return Math.min(
    Date.now() + checkTimeout(options.timeoutMs ?? target.timeoutMs),
    options.context?.deadlineMs ?? Number.POSITIVE_INFINITY,
  );
}

/** Prepares a call. Throws an RpcError if it is already cancelled or late, without sending anything. */
export function outgoingCall(target: ClientMethodTarget, options: CallOptions): OutgoingCall {
  const { method, channels } = target;
  const deadline = callDeadline(target, options);
  const signals = [options.signal, options.context?.signal].filter((signal) => signal !== undefined);
  if (deadline <= Date.now()) throw refused(status.DEADLINE_EXCEEDED, "The deadline had passed before the call.");
  if (signals.some((signal) => signal.aborted)) throw refused(status.CANCELLED, "Cancelled before the call.");
  return {
    method,
    start(make): ReturnType<typeof make> {
      const metadata = http2Metadata(options.metadata ?? new Metadata());
      if (options.waitForReady !== undefined) {
        metadata.setOptions({ ...metadata.getOptions(), waitForReady: options.waitForReady });
      }
      try {
        return make(clientOf(channels.channel()), { path: methodPath(method), metadata, options: { deadline } });
      } catch (cause) {
        const error = refused(status.UNAVAILABLE, "No channel could be opened.");
        error.cause = cause;
        throw error;
      }
    },
    onCancel(cancel): () => void {
      for (const signal of signals) signal.addEventListener("abort", cancel, { once: true });
      return () => {
        for (const signal of signals) signal.removeEventListener("abort", cancel);
      };
    },
  };
}

/** Returns a time-out if it is one; throws a TypeError otherwise. A call without an end holds its resources for ever. */
export function checkTimeout(timeoutMs: number, name = "timeoutMs"): number {
  if (!Number.isFinite(timeoutMs) || timeoutMs <= 0) {
    throw new TypeError(`${name} must be a positive, finite number of milliseconds.`);
  }
  return timeoutMs;
}

function refused(code: status, message: string): RpcError {
  return markReceived(new RpcError(code, message));
}
