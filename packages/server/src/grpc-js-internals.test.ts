import { once } from "node:events";
import { type ClientHttp2Session, connect, constants as http2 } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer } from "node:net";
import * as grpc from "@grpc/grpc-js";
import {
  attacker,
  callFields,
  dataFrame,
  grpcMessage,
  headerBlock,
  headersFrame,
  headersFrames,
} from "@zero-trust/testkit";
import { afterEach, expect, test, vi } from "vitest";
import { assertKnownGrpcJs, coverGaps } from "./grpc-js-internals.ts";

const limits = { maxMetadataBytes: 16 * 1024, maxMetadataEntries: 64, resetBurst: 3_000, resetsPerSecond: 100 };
const open: { close(): void }[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const each of open.splice(0)) each.close();
});

interface Answer {
  readonly code: grpc.status;
  readonly details: string;
}

const passBytes = (bytes: Buffer) => bytes;

/** A server with one method, /known.Service/Known, and the paths that passed its interceptor. */
async function start(cover: boolean): Promise<{
  readonly port: number;
  readonly seen: string[];
  readonly call: (path: string, metadata?: grpc.Metadata) => Promise<Answer>;
}> {
  const seen: string[] = [];
  const server = new grpc.Server({
    "grpc.max_concurrent_streams": 100,
    interceptors: [
      (method, call) => {
        seen.push(method.path);
        return new grpc.ServerInterceptingCall(call, {
          start: (next) =>
            next({
              onReceiveMetadata(metadata, pass) {
                if (metadata.get("test-refuse").length === 0) pass(metadata);
                else call.sendStatus({ code: grpc.status.UNAUTHENTICATED, details: "No." });
              },
            }),
        });
      },
    ],
  });
  if (cover) coverGaps(server, limits);
  server.register(
    "/known.Service/Known",
    (_call: unknown, callback: grpc.sendUnaryData<Buffer>) => callback(null, Buffer.from("yes")),
    (b: Buffer) => b,
    (b: Buffer) => b,
    "unary",
  );
  server.register(
    "/known.Service/Answer",
    (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.write(Buffer.from("answered"));
      call.end();
    },
    (b: Buffer) => b,
    (b: Buffer) => b,
    "bidi",
  );
  server.register("/known.Service/Wait", (_call: unknown, _callback: unknown) => {}, passBytes, passBytes, "unary");
  server.register(
    "/known.Service/Echo",
    (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on("data", (message: Buffer) => call.write(message)).on("end", () => call.end());
    },
    passBytes,
    passBytes,
    "bidi",
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  open.push({
    close: () => {
      client.close();
      server.forceShutdown();
    },
  });
  return {
    port,
    seen,
    call: (path, metadata = new grpc.Metadata()) =>
      new Promise((resolve) => {
        client.makeUnaryRequest(
          path,
          (b: Buffer) => b,
          (b: Buffer) => b,
          Buffer.from("x"),
          metadata,
          (error) =>
            resolve(error ? { code: error.code, details: error.details } : { code: grpc.status.OK, details: "" }),
        );
      }),
  };
}

test("lets calls to unregistered methods pass the interceptors, and answers without an echo of the path", async () => {
  const { seen, call } = await start(true);
  expect(await call("/known.Service/Known")).toMatchObject({ code: grpc.status.OK });
  expect(await call("/unknown.Service/Canary")).toEqual({
    code: grpc.status.UNIMPLEMENTED,
    details: "The method is not implemented.",
  });
  expect(seen).toEqual(["/known.Service/Known", "/unknown.Service/Canary"]);
});

test("is still needed: grpc-js alone lets such calls pass no interceptor, and echoes the path", async () => {
  const { seen, call } = await start(false);
  expect((await call("/unknown.Service/Canary")).details).toContain("Canary");
  expect(seen).toEqual([]);
});

test("refuses metadata beyond the limit in bytes and in entries, and takes the next call", async () => {
  const { seen, call } = await start(true);
  const large = new grpc.Metadata();
  large.set("x-large", "a".repeat(limits.maxMetadataBytes));
  expect((await call("/known.Service/Known", large)).code).not.toBe(grpc.status.OK);
  const many = new grpc.Metadata();
  for (let i = 0; i < limits.maxMetadataEntries; i += 1) many.set(`x-${i}`, "a");
  expect((await call("/known.Service/Known", many)).code).not.toBe(grpc.status.OK);
  expect(seen).toEqual([]);
  expect((await call("/known.Service/Known")).code).toBe(grpc.status.OK);
});

test("refuses it too from a caller who never acknowledges the limit", async () => {
  const { port, seen } = await start(true);
  await using caller = attacker({ host: "127.0.0.1", port });
  const wire = await caller.plaintextWire({ acknowledges: false });
  const large = callFields("/known.Service/Known", [
    ["x-one", "a".repeat(limits.maxMetadataBytes / 2)],
    ["x-two", "a".repeat(limits.maxMetadataBytes / 2)],
  ]);
  await wire.send(
    ...headersFrames(1, headerBlock(large)),
    dataFrame(1, grpcMessage(Buffer.from("x")), { endStream: true }),
  );
  await wire.until(() => wire.endOf(1) !== undefined);
  expect(seen).toEqual([]);
});

test("takes metadata of that size where it is not bounded", async () => {
  const { call } = await start(false);
  const large = new grpc.Metadata();
  large.set("x-large", "a".repeat(limits.maxMetadataBytes));
  expect((await call("/known.Service/Known", large)).code).toBe(grpc.status.OK);
});

interface Upload {
  /** Of the response: headers, data and trailers. */
  readonly status: string | undefined;
  readonly body: string;
  readonly bytesTaken: number;
  readonly resetCode: number | undefined;
}

/** Sends until the stream ends or the server has taken `limit` bytes, over a connection that may be used again. */
async function upload(session: ClientHttp2Session, options: UploadOptions): Promise<Upload> {
  const { path, refuse, limit } = options;
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...(refuse ? { "test-refuse": "1" } : {}),
  });
  let status: string | undefined;
  let body = "";
  const read = (headers: Record<string, unknown>) => {
    if (typeof headers["grpc-status"] === "string") status = headers["grpc-status"];
  };
  stream
    .on("response", read)
    .on("trailers", read)
    .on("trailers", () => stream.close(http2.NGHTTP2_CANCEL));
  stream.on("error", () => undefined);
  stream.on("data", (data: Buffer) => {
    body += data.toString("latin1");
  });
  const chunk = Buffer.alloc(64 * 1024);
  let bytesTaken = 0;
  const send = () => {
    if (stream.destroyed || stream.closed) return;
    stream.write(chunk, (error) => {
      if (error) return;
      bytesTaken += chunk.length;
      if (bytesTaken < limit) send();
      else stream.close(http2.NGHTTP2_CANCEL);
    });
  };
  send();
  await new Promise((resolve) => stream.once("close", resolve));
  return { status, body, bytesTaken, resetCode: stream.rstCode };
}

interface UploadOptions {
  readonly path: string;
  readonly refuse: boolean;
  readonly limit: number;
}

function sessionTo(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  open.push({ close: () => session.destroy() });
  return session;
}

const megabytes = 1024 * 1024;

test("takes no more from a caller that was refused, which reads its status and keeps its connection", async () => {
  const { port } = await start(true);
  const session = sessionTo(port);
  const options = { path: "/known.Service/Known", refuse: true, limit: 64 * megabytes };
  for (let call = 0; call < 20; call += 1) {
    const { status, bytesTaken, resetCode } = await upload(session, options);
    expect({ status, resetCode }).toEqual({ status: String(grpc.status.UNAUTHENTICATED), resetCode: 0 });
    expect(bytesTaken).toBeLessThan(2 * megabytes);
  }
  expect({ closed: session.closed, destroyed: session.destroyed }).toEqual({ closed: false, destroyed: false });
});

test("a caller that was refused, says goodbye and does not hang up ends nobody but itself", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  const { port, call } = await start(true);
  const gone = Promise.withResolvers<void>();
  const rude = createServer({ allowHalfOpen: true }, (near) => {
    const far = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true });
    near.on("data", (data) => far.write(data)).on("error", () => undefined);
    far.on("data", (data) => near.write(data)).on("end", () => gone.resolve());
    open.push({ close: () => void far.destroy() }, { close: () => void near.destroy() });
  }).listen(0, "127.0.0.1");
  open.push(rude);
  await once(rude, "listening");
  const session = sessionTo((rude.address() as AddressInfo).port);
  session.on("error", () => undefined);
  const headers = { ":method": "POST", ":path": "/known.Service/Known", "content-type": "application/grpc" };
  const stream = session.request({ ...headers, te: "trailers", "test-refuse": "1" }).on("error", () => undefined);
  await once(stream, "response");
  session.goaway();
  await gone.promise;
  // The next look at what such a caller sends.
  expect(() => vi.advanceTimersByTime(1_000)).not.toThrow();
  expect((await call("/known.Service/Known")).code).toBe(grpc.status.OK);
});

test("a caller that was answered while it still sends reads all of the answer", async () => {
  const { port } = await start(true);
  const options = { path: "/known.Service/Answer", refuse: false, limit: megabytes };
  const { status, body } = await upload(sessionTo(port), options);
  expect({ status, body: body.slice(5) }).toEqual({ status: String(grpc.status.OK), body: "answered" });
});

test("a client of grpc-js that is refused in the middle of its upload learns why", async () => {
  const { port } = await start(true);
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  open.push(client);
  const metadata = new grpc.Metadata();
  metadata.set("test-refuse", "1");
  const bytes = (b: Buffer) => b;
  const codes = Array.from(
    { length: 50 },
    () =>
      new Promise<grpc.status | undefined>((resolve) => {
        const call = client.makeClientStreamRequest("/known.Service/Answer", bytes, bytes, metadata, (error) =>
          resolve(error?.code),
        );
        for (let message = 0; message < 20; message += 1) call.write(Buffer.alloc(32 * 1024));
      }),
  );
  expect(new Set(await Promise.all(codes))).toEqual(new Set([grpc.status.UNAUTHENTICATED]));
});

test("a caller that goes on sending for streams that are closed loses its connection", async () => {
  const { port } = await start(true);
  await using caller = attacker({ host: "127.0.0.1", port });
  const wire = await caller.plaintextWire();
  const refused = callFields("/known.Service/Known", [["test-refuse", "1"]]);
  await wire.send(headersFrame(1, headerBlock(refused)));
  await wire.until(() => wire.endOf(1) !== undefined);
  const enoughMs = performance.now() + 10_000;
  const more = () => wire.upload(1, Buffer.alloc(megabytes), { ignoreStreamWindow: true });
  while (performance.now() < enoughMs && (await more()));
  expect(wire.alive).toBe(false);
});

test("is still needed: grpc-js alone goes on taking what a refused caller sends", async () => {
  const { port } = await start(false);
  const options = { path: "/known.Service/Known", refuse: true, limit: 64 * megabytes };
  expect((await upload(sessionTo(port), options)).bytesTaken).toBeGreaterThanOrEqual(64 * megabytes);
});

/** Lets 1 500 calls on a connection time out at once; says how another one on it ends. */
async function timeOutAtOnce(port: number): Promise<grpc.status> {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  const other = client.makeBidiStreamRequest("/known.Service/Echo", passBytes, passBytes).on("error", () => {});
  const ended = new Promise<grpc.status>((resolve) => other.once("status", ({ code }) => resolve(code)));
  other.write(Buffer.from("x"));
  await once(other, "data");
  const timeOut = () =>
    new Promise((resolve) => {
      const call = ["/known.Service/Wait", passBytes, passBytes, Buffer.from("x")] as const;
      client.makeUnaryRequest(...call, new grpc.Metadata(), { deadline: Date.now() + 300 }, resolve);
    });
  await Promise.all(Array.from({ length: 1_500 }, timeOut));
  other.end();
  const code = await ended;
  client.close();
  return code;
}

test("1 500 calls that time out at once do not end their connection", async () => {
  const { port } = await start(true);
  expect(await timeOutAtOnce(port)).toBe(grpc.status.OK);
  expect(await timeOutAtOnce(port)).toBe(grpc.status.OK);
});

test("is still needed: with Node's own bounds they do, and every other call on it ends", async () => {
  const { port } = await start(false);
  expect(await timeOutAtOnce(port)).toBe(grpc.status.INTERNAL);
});

test("knows the installed grpc-js, and refuses to start on one that it does not know", () => {
  expect(() => assertKnownGrpcJs()).not.toThrow();
  expect(() => assertKnownGrpcJs("1.14.99")).not.toThrow();
  expect(() => assertKnownGrpcJs("1.15.0")).toThrow("@grpc/grpc-js 1.15.0 is not a version whose inside is known here");
  expect(() => assertKnownGrpcJs("2.14.0")).toThrow("not a version");
});
