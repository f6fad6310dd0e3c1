import type { DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { type Server, status, type UntypedHandleCall } from "@grpc/grpc-js";
import { handleBidi } from "./handle-bidi.ts";
import { handleClientStream } from "./handle-client-stream.ts";
import { handleServerStream } from "./handle-server-stream.ts";
import { handleUnary } from "./handle-unary.ts";
import type {
  BidiHandler,
  ClientStreamHandler,
  HandlerContext,
  Handlers,
  ServerStreamHandler,
  UnaryHandler,
} from "./handlers.ts";
import type { MethodHandler } from "./method-handler.ts";
import { methodPath, serviceDefinition } from "./service-definition.ts";
import { statusOf } from "./status-of.ts";
import { tell } from "./tell.ts";

/** Where a handler failed. */
export interface FailedCall {
  /** `/package.Service/Method`. */
  readonly method: string;
  readonly context: HandlerContext;
}

/** What `addService` can be told. */
export interface AddServiceOptions {
  /** Is given what a handler threw and the caller is not shown. What it throws itself, or rejects with, is ignored. */
  readonly onError?: (error: unknown, call: FailedCall) => void;
}

/**
 * Adds a service to a server.
 *
 * Requests are parsed and validated after all interceptors have let the call in. A handler that throws an RpcError
 * answers with its status; whatever else it throws is INTERNAL without text for the caller, and goes to `onError`.
 * Throws a TypeError that names the method if a handler is missing.
 *
 * @example
 * ```ts
 * import { type Metadata, Server, status } from "@grpc/grpc-js";
 * import { addService, callLimits, RpcError } from "@zero-trust/rpc";
 * import { PingService, pingHandlers } from "@zero-trust/testkit";
 *
 * export const server = new Server({ interceptors: [callLimits()] });
 * addService(server, PingService, {
 *   ...pingHandlers<Metadata>(),
 *   ping({ text }, { deadlineMs }) {
 *     if (text === "") throw new RpcError(status.INVALID_ARGUMENT, "Say something.");
 *     return { text: `${text}, until ${deadlineMs}` };
 *   },
 *   async *pingMany({ text, count }, { signal }) {
 *     for (let index = 0; index < count && !signal.aborted; index += 1) yield { text, index };
 *   },
 * });
 * ```
 */
export function addService<S extends DescService>(
  server: Server,
  service: S,
  handlers: Handlers<S>,
  options: AddServiceOptions = {},
): void {
  const calls = service.methods.map((method) => [method.name, handleCall(method, handlers, options)] as const);
  server.addService(serviceDefinition(service), Object.fromEntries(calls));
}

function handleCall(method: DescMethod, handlers: object, options: AddServiceOptions): UntypedHandleCall {
  const handler: unknown = Reflect.get(handlers, method.localName);
  if (typeof handler !== "function") {
    throw new TypeError(`No handler for ${methodPath(method)}: add a function named "${method.localName}".`);
  }
  // `Handlers` has already checked at compile time that it fits the kind.
  const target = <H>(): MethodHandler<H> => {
    const report = (error: unknown, context: HandlerContext): void => {
      const call = { method: methodPath(method), context };
      void tell(() => (isNews(error, context) ? options.onError?.(error, call) : undefined));
    };
    return {
      method,
      handler: handler.bind(handlers) as H,
      report,
      failed: (error, context) => {
        // What its own waiting rejects with once the call is over says nothing; why it is over does, to a caller who still waits.
        const chosen = statusOf(isNews(error, context) ? error : context.signal.reason);
        const untold = chosen === undefined ? error : chosen.problem;
        if (untold !== undefined || chosen === undefined) report(untold, context);
        return chosen?.status ?? { code: status.INTERNAL, details: "" };
      },
    };
  };
  switch (method.methodKind) {
    case "unary":
      return handleUnary(target<UnaryHandler<DescMessage, DescMessage>>());
    case "server_streaming":
      return handleServerStream(target<ServerStreamHandler<DescMessage, DescMessage>>());
    case "client_streaming":
      return handleClientStream(target<ClientStreamHandler<DescMessage, DescMessage>>());
    case "bidi_streaming":
      return handleBidi(target<BidiHandler<DescMessage, DescMessage>>());
  }
}

/** What a cancelled handler's own awaits reject with is none. */
function isNews(error: unknown, { signal }: HandlerContext): boolean {
  return !signal.aborted || (error !== signal.reason && !(error instanceof Error && error.name === "AbortError"));
}
