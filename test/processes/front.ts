// A load balancer that ends TLS and passes streams on, unless it is told to turn one away.
import { once } from "node:events";
import {
  connect,
  constants,
  createSecureServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { idOf, type SignedService } from "./signed-service.ts";

/** Turns a stream away, or passes it on when it gives false. The number of a stream counts from 1. */
export type TurnAway = (stream: ServerHttp2Stream, number: number) => boolean;

export interface Front extends AsyncDisposable {
  readonly target: string;
  /** The nonce of each stream that arrived, in order. */
  readonly nonces: readonly string[];
  /** The number of connections that were made to it. */
  readonly sessions: () => number;
}

/** Says that the stream was not processed. */
export const refuseStream: TurnAway = (stream) => {
  stream.close(constants.NGHTTP2_REFUSED_STREAM);
  return true;
};

/** Says that the connection is at its end, and that this stream was not processed any more, only those before it. */
export const goAway: TurnAway = (stream) => {
  stream.session?.goaway(constants.NGHTTP2_NO_ERROR, (stream.id ?? 0) - 2);
  return true;
};

/** Starts it before a service. */
export async function startFront(service: SignedService, turnAway: TurnAway): Promise<Front> {
  const nonces: string[] = [];
  const sessions = new Set<Http2Session>();
  const { cert, key, ca } = await service.ca.issue({ spiffeId: idOf("ping-service") });
  const server = createSecureServer({ cert, key, ca, requestCert: true, minVersion: "TLSv1.3" });
  const { partner } = service;
  const upstream = connect(`https://127.0.0.1:${service.port}`, {
    cert: partner.cert,
    key: partner.key,
    ca: partner.ca,
    // Whom it passes streams on to is not what is tested here.
    checkServerIdentity: () => undefined,
  });
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    nonces.push(String(headers["x-nonce"]));
    if (!turnAway(stream, nonces.length)) passOn(stream, headers);
  });

  function passOn(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const request = upstream.request({ ...headers, ":scheme": "https" });
    let trailers: IncomingHttpHeaders = {};
    request.on("error", () => undefined);
    request.on("trailers", (received: IncomingHttpHeaders) => {
      trailers = received;
    });
    request.on("response", (received, flags) => {
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
        stream.respond(received, { endStream: true });
        return;
      }
      stream.respond(received, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      request.pipe(stream);
    });
    stream.pipe(request);
  }

  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    nonces,
    sessions: () => sessions.size,
    async [Symbol.asyncDispose]() {
      upstream.destroy();
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}
