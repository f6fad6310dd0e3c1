import { once } from "node:events";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import type { TlsMaterial } from "@zero-trust/mtls";
import type { Call } from "../closed-loop.ts";
import type { CallerMaterial } from "../material.ts";
import { headersMaker } from "./headers.ts";
import { messagesOf } from "./messages.ts";
import type { Target } from "./orders.ts";

/** Connections to a server, over which calls are made in turn. */
export interface CalledTarget {
  readonly target: Target;
  /** Makes a call, those of one lane always over the same connection. */
  readonly call: (...call: [...Parameters<Call>, headers?: OutgoingHttpHeaders]) => void;
  /** The headers of the next call of a lane. */
  readonly headers: (lane: number) => OutgoingHttpHeaders;
  close(): void;
}

/** Who calls; without a certificate too, to see it refused. */
interface Caller extends Omit<CallerMaterial, "tls"> {
  readonly tls: Partial<TlsMaterial>;
}

/** Answers are read as they come: no server is to wait for the load. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** Opens the connections. */
export async function openTarget(target: Target, caller: Caller): Promise<CalledTarget> {
  const messages = messagesOf(target.method, target.bodyBytes);
  const headers = headersMaker(target, caller, messages);
  const sessions = await Promise.all(Array.from({ length: target.connections }, () => openSession(target, caller.tls)));
  return {
    target,
    headers,
    call(lane, done, given = headers(lane)) {
      const stream = (sessions[lane % sessions.length] as ClientHttp2Session).request(given);
      let status: unknown;
      let bytes = 0;
      stream.on("response", (fields) => {
        status = fields["grpc-status"];
      });
      stream.on("trailers", (fields: IncomingHttpHeaders) => {
        status = fields["grpc-status"];
      });
      stream.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on("error", () => {});
      stream.on("close", () => {
        if (status !== "0") done(`status ${String(status)}`);
        else if (bytes !== messages.answerBytes) done(`${bytes} bytes instead of ${messages.answerBytes}`);
        else done(undefined);
      });
      stream.end(messages.frames);
    },
    close() {
      for (const session of sessions) session.close();
    },
  };
}

/** A connection as a gRPC client makes it. */
async function openSession({ port, plaintext }: Target, tls: Partial<TlsMaterial>): Promise<ClientHttp2Session> {
  const session = connect(`${plaintext ? "http" : "https"}://127.0.0.1:${port}`, {
    ...tls,
    servername: "ping.production.internal",
    minVersion: "TLSv1.3",
    settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
  });
  // The session says nothing of a certificate that the server misses; its socket does.
  const opened = new AbortController();
  const closed = once(session.socket, "close", { signal: opened.signal });
  await Promise.race([once(session, "remoteSettings"), closed]);
  opened.abort();
  if (session.destroyed) throw new Error("The connection was closed.");
  session.setLocalWindowSize(WINDOW_BYTES);
  return session;
}
