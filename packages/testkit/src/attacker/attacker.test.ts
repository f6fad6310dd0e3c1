import { once } from "node:events";
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeAll, expect, test } from "vitest";
import { createCa, type IssuedCertificate } from "../ca.ts";
import { type Attacker, type AttackTarget, attacker } from "./attacker.ts";
import { dataFrame, frameType, headersFrame, headersFrames, pingFrame, rstStreamFrame } from "./frames.ts";
import { grpcMessage } from "./grpc-message.ts";
import { callFields, type HeaderFields, headerBlock } from "./header-block.ts";

let certificate: IssuedCertificate;
let workload: IssuedCertificate;
beforeAll(async () => {
  const ca = await createCa();
  certificate = await ca.issue({ spiffeId: "spiffe://production.internal/server" });
  workload = await ca.issue({ spiffeId: "spiffe://production.internal/insider" });
});

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Starts an HTTP/2 server that wants certificates; what it does with a stream is the test's. */
async function serve(onStream: (stream: ServerHttp2Stream, headers: HeaderFields) => void): Promise<Http2SecureServer> {
  const { cert, key, ca } = certificate;
  const options = { cert, key, ca, requestCert: true, settings: { maxHeaderListSize: 200_000 } };
  const server = createSecureServer(options);
  const sessions = new Set<Http2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream: ServerHttp2Stream, _headers: unknown, _flags: unknown, raw: readonly string[]) => {
    stream.on("error", () => {});
    onStream(
      stream,
      raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ""] as const] : [])),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return server;
}

/** Attacks what listens; everything is closed at the end of the test. */
function attack(server: Server | Http2SecureServer, target: Partial<AttackTarget> = {}): Attacker {
  const { port } = server.address() as AddressInfo;
  const made = attacker({ host: "127.0.0.1", port, tls: workload, ...target });
  cleanups.push(() => made.close());
  return made;
}

test("sends header fields as they stand: in their order, twice, with names of Object.prototype, of any length", async () => {
  const received = Promise.withResolvers<HeaderFields>();
  const server = await serve((_stream, headers) => received.resolve(headers));
  const fields = callFields("/p.S/M", [
    ["x-twice", "1"],
    ["__proto__", "polluted"],
    ["x-twice", "2"],
    ["x-126", "v".repeat(126)],
    ["x-127", "v".repeat(127)],
    ["x-long", "v".repeat(60_000)],
  ]);
  const wire = await attack(server).wire();
  await wire.send(...headersFrames(1, headerBlock(fields)));
  expect(await received.promise).toEqual(fields);
});

test("presents its certificate, or none", async () => {
  const names: (string | undefined)[] = [];
  const server = await serve((stream) => stream.respond({ "grpc-status": "0" }, { endStream: true }));
  server.on("secureConnection", (socket: TLSSocket) => names.push(socket.getPeerX509Certificate()?.subjectAltName));
  server.on("tlsClientError", () => {});
  await attack(server).call({ path: "/p.S/M" });
  expect(names).toEqual([expect.stringContaining("spiffe://production.internal/insider")]);

  const nobody = attacker({ host: "127.0.0.1", port: (server.address() as AddressInfo).port });
  cleanups.push(() => nobody.close());
  expect(await nobody.call({ path: "/p.S/M" })).toMatchObject({ status: undefined, httpStatus: undefined });
  expect(names).toHaveLength(1);
});

test("a call gives the status of an answer without trailers, of one with trailers, and the code of a reset", async () => {
  const answers: ((stream: ServerHttp2Stream) => void)[] = [
    (stream) => stream.respond({ ":status": 200, "grpc-status": "7", "grpc-message": "no%20way" }, { endStream: true }),
    (stream) => {
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(grpcMessage(Buffer.from("hi")));
    },
    (stream) => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
  ];
  const server = await serve((stream) => answers.shift()?.(stream));
  const session = await attack(server).session();
  const call = { path: "/p.S/M", body: [grpcMessage(Buffer.from("hello"))] };
  expect(await session.call(call)).toMatchObject({ status: 7, message: "no%20way", httpStatus: 200, resetCode: 0 });
  expect(await session.call(call)).toMatchObject({ status: 0, data: Buffer.from("\0\0\0\0\u0002hi") });
  expect(await session.call(call)).toMatchObject({ status: undefined, httpStatus: undefined, resetCode: 11 });
});

test("a call that does not end sends what it is told, when it is told, and can be cancelled", async () => {
  const heard: string[] = [];
  const closed = Promise.withResolvers<number>();
  const server = await serve((stream) => {
    stream.on("data", (bytes: Buffer) => heard.push(bytes.toString()));
    stream.on("close", () => closed.resolve(stream.rstCode ?? 0));
  });
  const call = (await attack(server).session()).open({ path: "/p.S/M", body: [Buffer.from("half")], end: false });
  await expect.poll(() => heard.join("")).toBe("half");
  call.write(Buffer.from("more"));
  await expect.poll(() => heard.join("")).toBe("halfmore");
  call.cancel();
  expect(await closed.promise).toBe(constants.NGHTTP2_CANCEL);
  expect((await call.answer).status).toBeUndefined();
});

test("uploads no faster than the server reads, and goes on when it is told to", async () => {
  const stream = Promise.withResolvers<ServerHttp2Stream>();
  const server = await serve((each) => stream.resolve(each));
  const wire = await attack(server).wire();
  await wire.send(headersFrame(1, headerBlock(callFields("/p.S/M"))));
  const sent = wire.upload(1, Buffer.alloc(1_000_000));
  const reader = await stream.promise;
  await expect.poll(() => wire.bytesSent).toBeGreaterThan(65_535);
  expect(wire.bytesSent).toBeLessThan(70_000);
  let read = 0;
  reader.on("data", (bytes: Buffer) => {
    read += bytes.length;
  });
  expect(await sent).toBe(true);
  await expect.poll(() => read).toBe(1_000_000);
});

test("sees how streams end, pongs, the GOAWAY and the end of the connection", async () => {
  let hangUp = (): void => {};
  const server = await serve((stream) => {
    if (stream.id === 1) stream.respond({ "grpc-status": "0" }, { endStream: true });
    if (stream.id === 3) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    if (stream.id === 5) stream.session?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    hangUp = () => stream.session?.destroy();
  });
  const wire = await attack(server).wire();
  const block = headerBlock(callFields("/p.S/M"));
  await wire.send(
    headersFrame(1, block, { endStream: true }),
    headersFrame(3, block),
    pingFrame(Buffer.from("12345678")),
  );
  expect(await wire.until(() => wire.endOf(1) !== undefined && wire.endOf(3) !== undefined)).toBe(true);
  expect([wire.endOf(1), wire.endOf(3), wire.endOf(9)]).toEqual(["ended", constants.NGHTTP2_REFUSED_STREAM, undefined]);
  expect(await wire.until(() => wire.received(frameType.ping) === 1)).toBe(true);
  await wire.send(headersFrame(5, block));
  expect(await wire.until(() => wire.goAway !== undefined)).toBe(true);
  hangUp();
  await wire.closed;
  expect(wire.goAway).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  expect(wire.alive).toBe(false);
  expect(await wire.send(dataFrame(1, Buffer.of(1)))).toBe(false);
  expect(await wire.until(() => false)).toBe(false);
});

test("acknowledges the server's SETTINGS, unless it is not to", async () => {
  const server = await serve((stream) => stream.respond({ "grpc-status": "0" }, { endStream: true }));
  const acknowledged: boolean[] = [];
  server.on("session", (session) => {
    session.on("stream", () => acknowledged.push(!session.pendingSettingsAck));
  });
  const block = headerBlock(callFields("/p.S/M"));
  for (const acknowledges of [true, false]) {
    const wire = await attack(server).wire({ acknowledges });
    // The acknowledgement of ours, and theirs to be acknowledged, have come.
    await wire.until(() => wire.received(frameType.settings) === 2);
    await wire.send(headersFrame(1, block, { endStream: true }));
    await wire.until(() => wire.endOf(1) !== undefined);
  }
  expect(acknowledged).toEqual([true, false]);
});

test("sends a reset right behind its headers, as often as it likes", async () => {
  const codes: (number | undefined)[] = [];
  const server = await serve((stream) => stream.on("close", () => codes.push(stream.rstCode)));
  const wire = await attack(server).wire();
  const block = headerBlock(callFields("/p.S/M"));
  const rounds = Array.from({ length: 50 }, (_, index) => 2 * index + 1);
  await wire.send(...rounds.flatMap((id) => [headersFrame(id, block), rstStreamFrame(id, constants.NGHTTP2_CANCEL)]));
  await expect.poll(() => codes).toEqual(rounds.map(() => constants.NGHTTP2_CANCEL));
});

test("speaks HTTP/2 in clear, and says nothing over TCP", async () => {
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket.on("data", (bytes) => heard.push(bytes.toString("latin1")));
    socket.on("error", () => {});
    cleanups.push(() => socket.destroy());
  }).listen(0, "127.0.0.1");
  cleanups.push(() => server.close());
  await once(server, "listening");
  const plain = attack(server);
  await plain.tcp();
  expect(heard).toEqual([]);
  await plain.plaintextWire();
  await expect.poll(() => heard.join("")).toBe("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0");
});

test("closes everything that it opened, and rejects where nobody listens", async () => {
  const server = await serve(() => {});
  const made = attack(server);
  const [tcp, tls, wire, session] = await Promise.all([made.tcp(), made.tls(), made.wire(), made.session()]);
  await made[Symbol.asyncDispose]();
  await Promise.all([wire.closed, session.closed]);
  expect([tcp.destroyed, tls.destroyed]).toEqual([true, true]);
  server.close();
  await once(server, "close");
  await expect(made.tls()).rejects.toThrow("ECONNREFUSED");
});

test("a message's prefix tells the truth unless it is told to lie", () => {
  expect(grpcMessage(Buffer.from("abc"))).toEqual(Buffer.from("\0\0\0\0\u0003abc"));
  const lie = grpcMessage(Buffer.from("abc"), { length: 2 ** 32 - 1, compressed: true });
  expect(lie.toString("hex")).toBe("01ffffffff616263");
});
