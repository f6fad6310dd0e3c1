import { once } from "node:events";
import type { Socket } from "node:net";
import { frameReader } from "./frame-reader.ts";
import { connectionPreface, dataFrame, type Frame, frame, frameFlag, frameType, settingsFrame } from "./frames.ts";

/** How a connection starts. */
export interface WireOptions {
  /** Sent after the preface instead of an empty SETTINGS frame; an empty list sends the preface alone. */
  readonly first?: readonly Buffer[];
  /** Whether what the server sends is read; a flooder that does not read makes the server keep its answers. Default true. */
  readonly reads?: boolean;
  /** Whether SETTINGS and PINGs are acknowledged; some limits bind only those who acknowledged them. Default true. */
  readonly acknowledges?: boolean;
}

/** An HTTP/2 connection on which any frame can be sent, at any time. What the server sends is counted, not decoded. */
export interface Wire {
  /** Whether frames can still be sent. */
  readonly alive: boolean;
  /** What was handed to the socket so far, in bytes before TLS. */
  readonly bytesSent: number;
  /** The error code of the server's GOAWAY, if one came (RFC 9113 §7). */
  readonly goAway: number | undefined;
  /** Resolves when the connection is closed, whoever closed it. */
  readonly closed: Promise<void>;
  /** How many frames of a {@link frameType} the server sent. */
  received(type: number): number;
  /** How the server ended a stream: the error code of RST_STREAM, or "ended" for END_STREAM; undefined if it did not. */
  endOf(streamId: number): number | "ended" | undefined;
  /** Sends frames as they are. Resolves, with whether the connection is still there, when it can take more. */
  send(...frames: readonly Buffer[]): Promise<boolean>;
  /**
   * Sends the bytes of a stream within the windows that the server opened, as slowly as it reads (RFC 9113 §5.2). Resolves,
   * with whether the connection is still there, when they are sent. A server's RST_STREAM is ignored.
   *
   * @param options - `ignoreStreamWindow`: heeds the connection's window alone
   */
  upload(streamId: number, bytes: Uint8Array, options?: { readonly ignoreStreamWindow?: boolean }): Promise<boolean>;
  /** Resolves, with true, when a condition holds, which is asked after each frame; with false when the connection is closed before. */
  until(condition: () => boolean): Promise<boolean>;
  /** Closes the connection without a word. */
  destroy(): void;
}

/** What a window holds before any SETTINGS (RFC 9113 §6.9.2). */
const initialWindow = 65_535;
const settingsInitialWindowSize = 0x4;

/** Speaks HTTP/2 over a connected socket: sends the preface, acknowledges SETTINGS and PINGs, keeps count. */
export function openWire(socket: Socket, options: WireOptions = {}): Wire {
  const counts = new Map<number, number>();
  const ends = new Map<number, number | "ended">();
  /** By stream, 0 for the connection: what may still be sent, beyond the initial window for a stream. */
  const windows = new Map<number, number>([[0, initialWindow]]);
  let streamWindow = initialWindow;
  let goAway: number | undefined;
  let alive = true;
  let bytesSent = 0;
  let wakeAll = Promise.withResolvers<void>();
  const wake = () => {
    wakeAll.resolve();
    wakeAll = Promise.withResolvers();
  };
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      alive = false;
      wake();
      resolve();
    });
  });
  // A server that throws us out is what is looked for.
  socket.on("error", () => {});
  socket.on("end", () => socket.end());

  const left = (streamId: number) => (windows.get(streamId) ?? 0) + (streamId === 0 ? 0 : streamWindow);
  const add = (streamId: number, bytes: number) => windows.set(streamId, (windows.get(streamId) ?? 0) + bytes);
  const acknowledge = ({ type, flags, payload }: Frame) => {
    if ((flags & frameFlag.ack) !== 0 || options.acknowledges === false) return;
    const answer = type === frameType.ping ? payload : Buffer.alloc(0);
    socket.write(frame({ type, flags: frameFlag.ack, payload: answer }));
  };
  const readSettings = (payload: Buffer) => {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) === settingsInitialWindowSize) streamWindow = payload.readUInt32BE(at + 2);
    }
  };
  const read = frameReader((incoming) => {
    const { type, flags, streamId, payload } = incoming;
    counts.set(type, (counts.get(type) ?? 0) + 1);
    if (type === frameType.settings && (flags & frameFlag.ack) === 0) readSettings(payload);
    if (type === frameType.settings || type === frameType.ping) acknowledge(incoming);
    if (type === frameType.windowUpdate) add(streamId, payload.readUInt32BE());
    // NO_ERROR may come before the reason, or after it.
    if (type === frameType.goAway) goAway = goAway || payload.readUInt32BE(4);
    if (type === frameType.rstStream) ends.set(streamId, payload.readUInt32BE());
    const ended = type === frameType.headers || type === frameType.data;
    if (ended && (flags & frameFlag.endStream) !== 0 && !ends.has(streamId)) ends.set(streamId, "ended");
    wake();
  });
  if (options.reads ?? true) socket.on("data", read);
  else socket.pause();
  socket.write(Buffer.concat([connectionPreface, ...(options.first ?? [settingsFrame()])]));

  async function send(...frames: readonly Buffer[]): Promise<boolean> {
    if (!alive || !socket.writable) return false;
    const bytes = Buffer.concat(frames);
    bytesSent += bytes.length;
    if (!socket.write(bytes)) {
      await Promise.race([once(socket, "drain").catch(() => undefined), closed]);
    }
    return alive && socket.writable;
  }

  async function until(condition: () => boolean): Promise<boolean> {
    while (!condition()) {
      if (!alive) return false;
      await wakeAll.promise;
    }
    return true;
  }

  return {
    get alive() {
      return alive && socket.writable;
    },
    get bytesSent() {
      return bytesSent;
    },
    get goAway() {
      return goAway;
    },
    closed,
    received: (type) => counts.get(type) ?? 0,
    endOf: (streamId) => ends.get(streamId),
    send,
    async upload(streamId, bytes, { ignoreStreamWindow = false } = {}) {
      for (let start = 0; start < bytes.length; ) {
        const room = () => Math.min(left(0), ignoreStreamWindow ? Number.POSITIVE_INFINITY : left(streamId));
        if (!(await until(() => room() > 0))) return false;
        const part = bytes.subarray(start, start + Math.min(room(), 16_384));
        start += part.length;
        add(0, -part.length);
        add(streamId, -part.length);
        if (!(await send(dataFrame(streamId, part)))) return false;
      }
      return alive;
    },
    until,
    destroy: () => socket.destroy(),
  };
}
