import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";

export interface RawCall {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Leaves the request open. */
  readonly open?: boolean;
}

export interface RawClient extends Disposable {
  readonly session: ClientHttp2Session;
  request(call?: RawCall): ClientHttp2Stream;
}

/** A client of HTTP/2 that keeps to none of gRPC's rules. */
export function rawClient(port: number): RawClient {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const request = ({ headers = {}, body = frame("hello"), open = false }: RawCall = {}): ClientHttp2Stream => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/traps.Echo/Unary",
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => {});
    if (open) stream.write(body);
    else stream.end(body);
    return stream;
  };
  return { session, request, [Symbol.dispose]: () => session.destroy() };
}

/** A message with the five bytes before it. */
export function frame(message: string | Buffer, compressed = 0): Buffer {
  const bytes = Buffer.from(message);
  const head = Buffer.alloc(5);
  head[0] = compressed;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The grpc-status of a response, wherever it stands. */
export function statusOf(stream: ClientHttp2Stream): Promise<string | undefined> {
  let status: string | undefined;
  const read = (headers: Record<string, unknown>) => {
    if (typeof headers["grpc-status"] === "string") status = headers["grpc-status"];
  };
  stream.on("response", read).on("trailers", read).resume();
  return new Promise((resolve) => stream.once("close", () => resolve(status)));
}
