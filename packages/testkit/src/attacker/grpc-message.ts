/** How the five bytes before a message may lie. */
export interface GrpcMessageOptions {
  /** The length that they claim, in bytes, up to 2^32 - 1; the true one unless given. */
  readonly length?: number;
  /** Whether they claim that the message is compressed; default false. */
  readonly compressed?: boolean;
}

/** A message with its gRPC prefix: a flag and a length (gRPC over HTTP2, “Length-Prefixed-Message”). */
export function grpcMessage(message: Uint8Array, options: GrpcMessageOptions = {}): Buffer {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt8(options.compressed === true ? 1 : 0, 0);
  bytes.writeUInt32BE(options.length ?? message.length, 1);
  bytes.set(message, 5);
  return bytes;
}
