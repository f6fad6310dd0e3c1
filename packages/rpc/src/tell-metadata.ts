import type { EventEmitter } from "node:events";
import type { Metadata, StatusObject } from "@grpc/grpc-js";
import type { CallOptions } from "./outgoing-call.ts";

type ClientCall = EventEmitter & { cancel(): void };

/**
 * Gives the headers and trailers of a call to whoever asked for them.
 *
 * Returns a function that throws what they threw: thrown inside grpc-js, it would end the process.
 */
export function tellMetadata(call: ClientCall, { onHeaders, onTrailers }: CallOptions): () => void {
  let failure: { readonly error: unknown } | undefined;
  const tell = (listener: ((metadata: Metadata) => void) | undefined, metadata: Metadata): void => {
    try {
      listener?.(metadata);
    } catch (error) {
      failure ??= { error };
      call.cancel();
    }
  };
  call.on("metadata", (headers: Metadata) => tell(onHeaders, headers));
  call.on("status", ({ metadata }: StatusObject) => tell(onTrailers, metadata));
  return () => {
    if (failure !== undefined) throw failure.error;
  };
}
