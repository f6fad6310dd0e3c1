import { type Metadata, status } from "@grpc/grpc-js";
import { fittingTrailers } from "./own-metadata.ts";
import { isReceived } from "./received-error.ts";
import { RpcError } from "./rpc-error.ts";

// Trailers share the limit for headers; a longer text would take the whole connection down with it.
const longestDetails = 1024;

/** A status as grpc-js takes it from a handler. */
export interface Status {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

/** The status that a handler chose, and what of it could not be sent. */
export interface ChosenStatus {
  readonly status: Status;
  readonly problem?: RangeError | undefined;
}

/** The status that a handler chose by throwing an RpcError; undefined for anything else, which the caller may not see. */
export function statusOf(error: unknown): ChosenStatus | undefined {
  try {
    return chosenStatus(error);
  } catch {
    // What throws when it is looked at (a proxy, a getter) is no choice; unanswered, its caller would wait for ever.
    return undefined;
  }
}

function chosenStatus(error: unknown): ChosenStatus | undefined {
  if (!(error instanceof RpcError) || isReceived(error) || !isFailure(error.code)) return undefined;
  // Half a surrogate pair cannot be encoded, and would leave the caller without any answer.
  const details = error.message.slice(0, longestDetails).toWellFormed();
  const { metadata, problem } = fittingTrailers(error.metadata, details);
  return { status: { code: error.code, details, metadata }, problem };
}

function isFailure(code: number): boolean {
  return Number.isInteger(code) && code !== Number(status.OK) && code in status;
}
