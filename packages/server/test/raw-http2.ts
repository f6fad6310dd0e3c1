import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import type { TlsMaterial } from "@zero-trust/mtls";

/** A client that is no gRPC library, over mutual TLS; it has read the server's settings. */
export async function rawSession(port: number, material: TlsMaterial): Promise<ClientHttp2Session> {
  const { cert, key, ca } = material;
  const session = connect(`https://127.0.0.1:${port}`, { cert, key, ca, servername: "ping.production.internal" });
  session.on("error", () => {});
  await once(session, "remoteSettings");
  return session;
}

/** Begins a call without a message. */
export function rawCall(
  session: ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {}).resume();
  return stream;
}

/** The grpc-status that a call ends with; undefined where it is reset without one. */
export async function statusOf(stream: ClientHttp2Stream): Promise<number | undefined> {
  let status: number | undefined;
  const read = (headers: IncomingHttpHeaders) => {
    if (headers["grpc-status"] !== undefined) status = Number(headers["grpc-status"]);
  };
  stream.on("response", read).on("trailers", read);
  if (!stream.closed) await new Promise((resolve) => stream.once("close", resolve));
  return status;
}
