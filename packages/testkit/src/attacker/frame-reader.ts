import type { Frame } from "./frames.ts";

/** Cuts what a server sends into frames (RFC 9113 §4.1). Gives a function that takes the bytes as they come. */
export function frameReader(onFrame: (frame: Frame) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    for (;;) {
      if (rest.length < 9) return;
      const end = 9 + rest.readUIntBE(0, 3);
      if (rest.length < end) return;
      const frame = {
        type: rest.readUInt8(3),
        flags: rest.readUInt8(4),
        // The highest bit is reserved, and ignored.
        streamId: rest.readUInt32BE(5) & 0x7f_ff_ff_ff,
        payload: rest.subarray(9, end),
      };
      rest = rest.subarray(end);
      onFrame(frame);
    }
  };
}
