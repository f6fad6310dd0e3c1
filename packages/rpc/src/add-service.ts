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

/** Where a handler failed. */
export interface FailedCall {
  /** `/package.Service/Method`. */
  readonly method: string;
  readonly context: HandlerContext;
}

/** What `addService` can be told. */
export interface AddServiceOptions {
  /** Is given what a handler threw and the caller is not shown. What it throws itself is ignored. */
  readonly onError?: (error: unknown, call: FailedCall) => void;
}

/**
 * Adds a service to a server.
 *
 * Requests are parsed and validated after all interceptors have let the call in. A handler that throws an RpcError
 * answers with its status; whatever else it throws is INTERNAL without text for the caller, and goes to `onError`.
 * Throws a TypeError that names the method if a handler is missing.
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
  const target = <H>(): MethodHandler<H> => ({
    method,
    handler: handler.bind(handlers) as H,
    failed: (error, context) => {
      const chosen = statusOf(error);
      if (chosen !== undefined) return chosen;
      report(error, { method: methodPath(method), context }, options);
      return { code: status.INTERNAL, details: "" };
    },
  });
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

function report(error: unknown, call: FailedCall, options: AddServiceOptions): void {
  const { signal } = call.context;
  // What a cancelled handler's own awaits reject with is no news.
  if (signal.aborted && (error === signal.reason || (error instanceof Error && error.name === "AbortError"))) return;
  try {
    options.onError?.(error, call);
  } catch {
    // The caller gets its answer whatever becomes of the report.
  }
}
