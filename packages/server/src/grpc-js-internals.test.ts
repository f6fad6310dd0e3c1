import * as grpc from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { assertKnownGrpcJs, coverGaps } from "./grpc-js-internals.ts";

const limits = { maxMetadataBytes: 16 * 1024, maxMetadataEntries: 64 };
const open: { close(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

interface Answer {
  readonly code: grpc.status;
  readonly details: string;
}

/** A server with one method, /known.Service/Known, and the paths that passed its interceptor. */
async function start(
  cover: boolean,
): Promise<{ readonly seen: string[]; readonly call: (path: string, metadata?: grpc.Metadata) => Promise<Answer> }> {
  const seen: string[] = [];
  const server = new grpc.Server({
    interceptors: [
      (method, call) => {
        seen.push(method.path);
        return new grpc.ServerInterceptingCall(call);
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

test("takes metadata of that size where it is not bounded", async () => {
  const { call } = await start(false);
  const large = new grpc.Metadata();
  large.set("x-large", "a".repeat(limits.maxMetadataBytes));
  expect((await call("/known.Service/Known", large)).code).toBe(grpc.status.OK);
});

test("knows the installed grpc-js, and refuses to start on one that it does not know", () => {
  expect(() => assertKnownGrpcJs()).not.toThrow();
  expect(() => assertKnownGrpcJs("1.14.99")).not.toThrow();
  expect(() => assertKnownGrpcJs("1.15.0")).toThrow("@grpc/grpc-js 1.15.0 is not a version whose inside is known here");
  expect(() => assertKnownGrpcJs("2.14.0")).toThrow("not a version");
});
