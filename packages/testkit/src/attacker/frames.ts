/** The types of HTTP/2 frames (RFC 9113 §6). */
export const frameType: {
  readonly data: 0x0;
  readonly headers: 0x1;
  readonly priority: 0x2;
  readonly rstStream: 0x3;
  readonly settings: 0x4;
  readonly pushPromise: 0x5;
  readonly ping: 0x6;
  readonly goAway: 0x7;
  readonly windowUpdate: 0x8;
  readonly continuation: 0x9;
} = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goAway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
};

/** The flags of frames; ACK, of SETTINGS and PING, has the bit of END_STREAM, of DATA and HEADERS (RFC 9113 §6). */
export const frameFlag: {
  readonly endStream: 0x1;
  readonly ack: 0x1;
  readonly endHeaders: 0x4;
} = { endStream: 0x1, ack: 0x1, endHeaders: 0x4 };

/** What a client says first (RFC 9113 §3.4); its first SETTINGS frame comes after it. */
export const connectionPreface: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/** The largest payload that a server takes unless its SETTINGS say otherwise, in bytes (RFC 9113 §6.5.2). */
export const maxFrameSize = 16_384;

/** One frame, as it is on the wire. */
export interface Frame {
  /** A {@link frameType}, or any other byte. */
  readonly type: number;
  readonly flags: number;
  /** 0 is the connection itself. */
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Writes a frame of any type, right or wrong: nothing is checked (RFC 9113 §4.1). */
export function frame(fields: Partial<Frame> & { readonly type: number }): Buffer {
  const { type, flags = 0, streamId = 0, payload = Buffer.alloc(0) } = fields;
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, 9);
  return bytes;
}

/** How a frame ends what it belongs to. */
export interface FrameEnd {
  /** Nothing more comes on the stream; default false. */
  readonly endStream?: boolean;
  /** No CONTINUATION follows; default true. */
  readonly endHeaders?: boolean;
}

/** Opens a stream, or ends one with trailers. The block comes from {@link headerBlock}. */
export function headersFrame(streamId: number, block: Buffer, end: FrameEnd = {}): Buffer {
  const { endStream = false, endHeaders = true } = end;
  const flags = (endStream ? frameFlag.endStream : 0) | (endHeaders ? frameFlag.endHeaders : 0);
  return frame({ type: frameType.headers, flags, streamId, payload: block });
}

/** Goes on with a header block; `endHeaders` is false unless given, which is what a flood needs. */
export function continuationFrame(streamId: number, block: Buffer, end: FrameEnd = {}): Buffer {
  const flags = end.endHeaders === true ? frameFlag.endHeaders : 0;
  return frame({ type: frameType.continuation, flags, streamId, payload: block });
}

/** A header block of any size, as HEADERS and as many CONTINUATIONs as it needs. */
export function headersFrames(streamId: number, block: Buffer, end: FrameEnd = {}): readonly Buffer[] {
  if (block.length <= maxFrameSize) return [headersFrame(streamId, block, end)];
  const frames = [headersFrame(streamId, block.subarray(0, maxFrameSize), { ...end, endHeaders: false })];
  for (let start = maxFrameSize; start < block.length; start += maxFrameSize) {
    const last = start + maxFrameSize >= block.length;
    frames.push(continuationFrame(streamId, block.subarray(start, start + maxFrameSize), { endHeaders: last }));
  }
  return frames;
}

/** Bytes of a stream; for gRPC, made by {@link grpcMessage}. */
export function dataFrame(streamId: number, payload: Uint8Array, end: FrameEnd = {}): Buffer {
  const flags = end.endStream === true ? frameFlag.endStream : 0;
  return frame({ type: frameType.data, flags, streamId, payload: Buffer.from(payload) });
}

/** Cancels a stream; default CANCEL (RFC 9113 §7). */
export function rstStreamFrame(streamId: number, errorCode = 0x8): Buffer {
  return frame({ type: frameType.rstStream, streamId, payload: uint32(errorCode) });
}

/** Asks for an answer with the same eight bytes (RFC 9113 §6.7). */
export function pingFrame(data: Uint8Array = Buffer.alloc(8)): Buffer {
  return frame({ type: frameType.ping, payload: Buffer.from(data) });
}

/** Settings by their identifiers (RFC 9113 §6.5.2); each such frame asks for an acknowledgement. */
export function settingsFrame(settings: readonly (readonly [id: number, value: number])[] = []): Buffer {
  const payload = Buffer.concat(
    settings.map(([id, value]) => {
      const setting = Buffer.alloc(6);
      setting.writeUInt16BE(id, 0);
      setting.writeUInt32BE(value, 2);
      return setting;
    }),
  );
  return frame({ type: frameType.settings, payload });
}

/** Lets the server send more: on a stream, or on the connection for stream 0. */
export function windowUpdateFrame(streamId: number, increment: number): Buffer {
  return frame({ type: frameType.windowUpdate, streamId, payload: uint32(increment) });
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
