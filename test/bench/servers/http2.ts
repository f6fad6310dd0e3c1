// What leaving grpc-js would bring, measured and not shipped: `protect()` as it is, below it `node:http2` alone. It knows one unary method and as
// much of gRPC as a good call of it needs: no deadlines, no compression, no streams, no bounds.
import { once } from "node:events";
import { createSecureServer, type Http2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { Metadata, type MethodDefinition, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";
import { wireBytes } from "@zero-trust/auth/server";
import { type PingRequest, type PingResponse, PingResponseSchema } from "@zero-trust/testkit";
import { given, listensOn } from "./given.ts";
import { guardOf } from "./guard.ts";
import { pingDefinition } from "./ping-definition.ts";

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];

const options = await given();
const { guard, ready } = guardOf(options);
const { ping } = wireBytes(pingDefinition as { readonly ping: MethodDefinition<PingRequest, PingResponse> });
/** Read once a connection: to do it for each call would take longer than the call. */
const certificates = new WeakMap<Http2Session, Buffer>();

/** A call, as far as `protect()` looks at it. */
function callOn(stream: ServerHttp2Stream, metadata: Metadata): void {
  const raw = stream.session === undefined ? undefined : certificates.get(stream.session);
  const chunks: Buffer[] = [];
  let listener: Listener | undefined;
  let isRead = false;
  let isWhole = false;
  const deliver = () => {
    if (!isRead || !isWhole) return;
    // Five bytes say how long the message is.
    listener?.onReceiveMessage(Buffer.concat(chunks).subarray(5));
    listener?.onReceiveHalfClose();
  };
  const wire: ServerInterceptingCallInterface = {
    start: (its) => {
      listener = its;
    },
    startRead() {
      isRead = true;
      deliver();
    },
    sendMetadata: () => undefined,
    sendMessage(message: unknown, callback) {
      const bytes = ping.responseSerialize(create(PingResponseSchema, message as { text: string }));
      const frame = Buffer.allocUnsafe(5 + bytes.length);
      frame.writeUInt8(0);
      frame.writeUInt32BE(bytes.length, 1);
      bytes.copy(frame, 5);
      stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
      stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": 0 }));
      stream.end(frame);
      callback();
    },
    sendStatus({ code }) {
      if (stream.headersSent) return;
      stream.respond(
        { ":status": 200, "content-type": "application/grpc+proto", "grpc-status": code },
        { endStream: true },
      );
    },
    getPeer: () => "",
    getDeadline: () => Number.POSITIVE_INFINITY,
    getHost: () => "",
    getAuthContext: () => (raw === undefined ? {} : { sslPeerCertificate: { raw } as PeerCertificate }),
    getConnectionInfo: () => ({}),
    getMetricsRecorder() {
      throw new Error("Nobody asks for it.");
    },
  };
  const call = guard(ping, wire);
  call.start({
    onReceiveMetadata: () => call.startRead(),
    onReceiveMessage: ({ text }: PingRequest) => call.sendMessage({ text }, () => undefined),
    onReceiveHalfClose: () => call.sendStatus({ code: status.OK, details: "" }),
    onCancel: () => undefined,
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    isWhole = true;
    deliver();
  });
  stream.on("error", () => undefined);
  stream.once("close", () => listener?.onCancel());
  listener?.onReceiveMetadata(metadata);
}

const { cert, key, ca } = options.material.tls;
const server = createSecureServer({
  cert,
  key,
  ca,
  requestCert: true,
  rejectUnauthorized: true,
  minVersion: "TLSv1.3",
});
server.on("session", (session) => {
  const certificate = (session.socket as TLSSocket).getPeerX509Certificate();
  if (certificate !== undefined) certificates.set(session, certificate.raw);
});
server.on("stream", (stream, headers) => callOn(stream, Metadata.fromHttp2Headers(headers)));
server.listen(0, "127.0.0.1");
await once(server, "listening");
await ready();
listensOn((server.address() as AddressInfo).port);
