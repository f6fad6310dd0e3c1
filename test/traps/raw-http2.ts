import { once } from "node:events";
import { connect } from "node:net";

/** One HTTP/2 frame (RFC 9113 §4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.of()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A string of fewer than 127 bytes, uncompressed (RFC 7541 §5.2). */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** A header field that no table has (RFC 7541 §6.2.2). */
const literal = ([name, value]: readonly [string, string]): Buffer =>
  Buffer.concat([Buffer.of(0), text(name), text(value)]);

/**
 * Sends one unary call with exactly these header fields, duplicates and bytes beyond ASCII included, which no HTTP/2
 * library would write; resolves when the server has closed the connection or the stream.
 */
export async function rawUnaryCall(port: number, fields: readonly (readonly [string, string])[]): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const headers: readonly (readonly [string, string])[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/traps.Echo/Unary"],
    [":authority", "anything"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...fields,
  ];
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(4, 0, 0));
  socket.write(frame(1, 4, 1, Buffer.concat(headers.map(literal))));
  // An empty message, and the end of the stream.
  socket.write(frame(0, 1, 1, Buffer.alloc(5)));
  let received: Buffer = Buffer.of();
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (endsStream(received)) break;
  }
  socket.destroy();
}

/** Whether a frame of stream 1 ends it. */
function endsStream(bytes: Buffer): boolean {
  for (let at = 0; at + 9 <= bytes.length; ) {
    const [type = 0, flags = 0] = [bytes[at + 3], bytes[at + 4]];
    const ends = type === 3 || (type <= 1 && (flags & 1) === 1);
    if (bytes.readUInt32BE(at + 5) === 1 && ends) return true;
    at += 9 + bytes.readUIntBE(at, 3);
  }
  return false;
}
