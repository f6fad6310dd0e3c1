import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import { callFields, type HeaderFields } from "./header-block.ts";

/** A gRPC call made of raw parts: any header, any bytes. */
export interface AttackCall {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Sent after what a gRPC call needs, in this order; a name may come twice. */
  readonly headers?: HeaderFields;
  /** The bytes of the stream, as they are; messages are made by {@link grpcMessage}. Default: none. */
  readonly body?: readonly Uint8Array[];
  /** Whether the caller says that it has sent everything; default true. */
  readonly end?: boolean;
}

/** How a call ended. */
export interface AttackAnswer {
  /** `grpc-status`, undefined if the call ended without one. */
  readonly status: number | undefined;
  /** `grpc-message`, as it is on the wire. */
  readonly message: string | undefined;
  /** `:status` of HTTP, undefined if no headers came. */
  readonly httpStatus: number | undefined;
  /** The error code with which the stream was closed (RFC 9113 §7); 0 is NO_ERROR. */
  readonly resetCode: number;
  /** Every header and trailer of the answer. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** The bytes of the answer, with their prefixes. */
  readonly data: Buffer;
  /** From the request to the end, in milliseconds. */
  readonly tookMs: number;
}

/** A call that runs. */
export interface AttackStream {
  /** Resolves when the stream is closed, however; it does not reject. */
  readonly answer: Promise<AttackAnswer>;
  /** Sends more bytes as they are. */
  write(bytes: Uint8Array): void;
  /** Says that everything is sent. */
  end(): void;
  /** Resets the stream; default CANCEL. */
  cancel(code?: number): void;
}

/** A connection of `node:http2` that makes gRPC calls: for what a well-behaved HTTP/2 client can do wrong above HTTP/2. */
export interface GrpcSession {
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  open(call: AttackCall): AttackStream;
  /** Opens a call and waits for its end. */
  call(call: AttackCall): Promise<AttackAnswer>;
  destroy(): void;
}

/** Makes calls over a connected session. */
export function grpcSession(session: ClientHttp2Session): GrpcSession {
  session.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    session.once("close", () => resolve());
  });
  const open = (call: AttackCall): AttackStream => {
    const { headers = [], body = [], end = true } = call;
    const stream = session.request(callFields(call.path, headers).flat());
    const answer = answerOf(stream);
    for (const bytes of body) stream.write(bytes);
    if (end) stream.end();
    return {
      answer,
      write: (bytes) => void stream.write(bytes),
      end: () => stream.end(),
      cancel: (code = constants.NGHTTP2_CANCEL) => stream.close(code),
    };
  };
  return {
    closed,
    open,
    call: (call) => open(call).answer,
    destroy: () => session.destroy(),
  };
}

function answerOf(stream: ClientHttp2Stream): Promise<AttackAnswer> {
  const startedMs = performance.now();
  const headers: Record<string, unknown> = {};
  const data: Buffer[] = [];
  stream.on("response", (fields) => void Object.assign(headers, fields));
  stream.on("trailers", (fields) => void Object.assign(headers, fields));
  stream.on("data", (bytes: Buffer) => data.push(bytes));
  // A server that resets the call is what is looked for; its code is in the answer.
  stream.on("error", () => {});
  return new Promise((resolve) => {
    stream.once("close", () => {
      const { ":status": httpStatus, "grpc-status": status, "grpc-message": message } = headers;
      resolve({
        status: status === undefined ? undefined : Number(status),
        message: typeof message === "string" ? message : undefined,
        httpStatus: typeof httpStatus === "number" ? httpStatus : undefined,
        resetCode: stream.rstCode ?? constants.NGHTTP2_NO_ERROR,
        headers,
        data: Buffer.concat(data),
        tookMs: performance.now() - startedMs,
      });
    });
  });
}
