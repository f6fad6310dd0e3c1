import type { DescMethod } from "@bufbuild/protobuf";
import type { HandlerContext } from "./handlers.ts";
import type { Status } from "./status-of.ts";

/** One method with its handler, ready to be called by grpc-js. `H` is the handler's type, by the kind of the method. */
export interface MethodHandler<H> {
  readonly method: DescMethod;
  readonly handler: H;
  /** The status for what a handler threw; what the caller may not see is reported. */
  failed(error: unknown, context: HandlerContext): Status;
  /** Tells of an error that nobody else gets to see; never throws. */
  report(error: unknown, context: HandlerContext): void;
}
