import { constants, type Http2Session, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";

/** How much a caller may go on sending after all its calls were refused, bytes a second: a few windows that were under way. */
const MAX_WASTE_BYTES_PER_SECOND = 1024 * 1024;
const WASTE_LOOK_MS = 1_000;

/** The calls of one HTTP/2 connection, as far as its peer could abuse them. */
interface SessionState {
  open: number;
  /** Whether a call was served since the last look. */
  served: boolean;
  watch: NodeJS.Timeout | undefined;
}

const sessions = new WeakMap<Http2Session, SessionState>();

/** Covers a call of a connection, and the connection with its first. */
export function coverSession(session: Http2Session, stream: ServerHttp2Stream): void {
  const state = sessions.get(session) ?? { open: 0, served: false, watch: undefined };
  if (!sessions.has(session)) {
    sessions.set(session, state);
    keepWhileClosing(session);
    session.once("close", () => clearInterval(state.watch));
  }
  state.open += 1;
  stream.once("close", () => {
    state.open -= 1;
    state.served ||= !wasRefused(stream);
    setImmediate(letGo, stream);
  });
  stopAfterRefusal(stream, () => {
    state.watch ??= watchWaste(session, state);
  });
}

/**
 * Node keeps the streams of a connection in a `Map` that is always being added to: of such a one V8 keeps what was in it at times until the
 * whole heap is collected. So nearly every stream outlives its call, and all that listened to it would.
 */
function letGo(stream: ServerHttp2Stream): void {
  stream.removeAllListeners().on("error", ignore);
}

const ignore = () => undefined;

/**
 * After a refusal grpc-js goes on reading, and throws away, what the caller still sends: it could upload for as long as
 * it likes. NO_ERROR asks it to stop without losing the status (RFC 9113, section 8.1).
 */
function stopAfterRefusal(stream: ServerHttp2Stream, onStopped: () => void): void {
  stream.once("finish", () => {
    // A refusal is a status without an answer, which is sent as headers. The trailers after an answer would be lost.
    if (!wasRefused(stream) || stream.state.remoteClose !== 0) return;
    stream.close(constants.NGHTTP2_NO_ERROR);
    onStopped();
  });
}

/** Whether a stream was ended by a status without an answer. One that was reset before it was answered has no headers at all. */
function wasRefused(stream: ServerHttp2Stream): boolean {
  const headers = stream.sentHeaders as ServerHttp2Stream["sentHeaders"] | undefined;
  return headers?.["grpc-status"] !== undefined;
}

/**
 * A peer that goes on sending for streams that are closed: nghttp2 throws that away and asks for more, so that the
 * connection's window never ends it. One that has no call to send it for loses its connection.
 */
function watchWaste(session: Http2Session, state: SessionState): NodeJS.Timeout {
  let before = bytesReadOf(session);
  return setInterval(() => {
    const bytesRead = bytesReadOf(session);
    const idle = state.open === 0 && !state.served;
    if (idle && bytesRead - before > MAX_WASTE_BYTES_PER_SECOND)
      session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    before = bytesRead;
    state.served = state.open > 0;
  }, WASTE_LOOK_MS).unref();
}

/**
 * A session that has ended has let go of its socket, and throws when asked for it; that is so until its peer has hung up, which
 * is when it says that it is closed.
 */
function bytesReadOf(session: Http2Session): number {
  return session.destroyed ? 0 : session.socket.bytesRead;
}

/**
 * Node sends no pings on a connection that is closing, which grpc-js takes for one that is dead: with the next ping after
 * the connection's age it would cut off the calls that the grace is for.
 */
function keepWhileClosing(session: Http2Session): void {
  const ping = session.ping.bind(session) as (callback: PingCallback) => boolean;
  Object.assign(session, {
    ping(callback: PingCallback): boolean {
      if (!session.closed) return ping(callback);
      setImmediate(callback, null);
      return true;
    },
  });
}

type PingCallback = (error: Error | null) => void;

/** A peer that was told goodbye has this long to say it too: some round trips over any network. Milliseconds. */
const GOODBYE_MS = 2_000;

/**
 * When its session has ended, Node closes its half of a connection and waits for the peer's, which may never come: the socket
 * would be lost to others, and a server that closes would wait too.
 */
export function boundGoodbye(socket: Duplex): Duplex {
  return socket.once("finish", () => {
    const late = setTimeout(() => socket.destroy(), GOODBYE_MS).unref();
    socket.once("close", () => clearTimeout(late));
  });
}
