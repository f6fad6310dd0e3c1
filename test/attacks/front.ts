// A load balancer that ends TLS and passes streams on, unless it is told to do something else with one.
import { once } from "node:events";
import {
  type ClientHttp2Stream,
  connect,
  constants,
  createSecureServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { TlsMaterial } from "@zero-trust/mtls";

/**
 * What becomes of a stream: it is passed on; it is turned away, which has been done when this is returned; or it is passed on, and
 * its answer is lost on the way (UNAVAILABLE in its place) or kept back for ever.
 */
export type Fate = "passed on" | "turned away" | "answer lost" | "answer kept";

/** Decides about a stream. Its number counts from 1, over all connections. */
export type FateOf = (stream: ServerHttp2Stream, number: number) => Fate;

/** Where streams come from and go to. */
export interface FrontOptions {
  /** Who it says that it is. */
  readonly server: TlsMaterial;
  /** The certificate that it shows to the service. */
  readonly client: TlsMaterial;
  /** The service's, on 127.0.0.1. */
  readonly port: number;
  readonly fateOf: FateOf;
}

export interface Front extends AsyncDisposable {
  readonly target: string;
  /** The nonce of each stream that arrived, in order. */
  readonly nonces: readonly string[];
  /** How many of them the service got. */
  readonly passedOn: () => number;
  /** The number of connections that were made to it. */
  readonly sessions: () => number;
}

/** Says that the stream was not processed. */
export function refuseStream(stream: ServerHttp2Stream): Fate {
  stream.close(constants.NGHTTP2_REFUSED_STREAM);
  return "turned away";
}

/** Says that the connection is at its end, and that this stream was not processed any more, only those before it. */
export function goAway(stream: ServerHttp2Stream): Fate {
  stream.session?.goaway(constants.NGHTTP2_NO_ERROR, (stream.id ?? 0) - 2);
  return "turned away";
}

/** Says UNAVAILABLE, whatever has become of the stream. */
export function answerUnavailable(stream: ServerHttp2Stream): Fate {
  const answer = {
    ":status": 200,
    "content-type": "application/grpc",
    "grpc-status": "14",
    "grpc-message": "Not now.",
  };
  if (!stream.destroyed) stream.respond(answer, { endStream: true });
  return "turned away";
}

/** Starts it before a service. */
export async function startFront({ server: shown, client, port, fateOf }: FrontOptions): Promise<Front> {
  const nonces: string[] = [];
  let passed = 0;
  const sessions = new Set<Http2Session>();
  const { cert, key, ca } = shown;
  const server = createSecureServer({ cert, key, ca, requestCert: true, minVersion: "TLSv1.3" });
  const upstream = connect(`https://127.0.0.1:${port}`, {
    cert: client.cert,
    key: client.key,
    ca: client.ca,
    // Whom it passes streams on to is not what is tested here.
    checkServerIdentity: () => undefined,
  });
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    nonces.push(String(headers["x-nonce"]));
    const fate = fateOf(stream, nonces.length);
    if (fate !== "turned away") passOn(stream, headers, fate);
  });

  function passOn(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, fate: Fate): void {
    passed += 1;
    const request = upstream.request({ ...headers, ":scheme": "https" });
    request.on("error", () => undefined);
    stream.pipe(request);
    if (fate === "passed on") {
      passBack(request, stream);
      return;
    }
    request.resume();
    if (fate === "answer lost") request.on("end", () => answerUnavailable(stream));
  }

  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    nonces,
    passedOn: () => passed,
    sessions: () => sessions.size,
    async [Symbol.asyncDispose]() {
      upstream.destroy();
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
}

function passBack(request: ClientHttp2Stream, stream: ServerHttp2Stream): void {
  let trailers: IncomingHttpHeaders = {};
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
}
