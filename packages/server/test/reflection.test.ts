import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { create, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { Credential } from "@zero-trust/auth";
import type { TlsMaterial } from "@zero-trust/mtls";
import { createClient } from "@zero-trust/rpc";
import { PingService } from "@zero-trust/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { Health as HealthService } from "../src/gen/health/v1/health_pb.ts";
import { createReflection } from "../src/reflection.ts";
import type { ServeOptions } from "../src/serve.ts";
import { createTrustDomain, failureOf, type PingServing, servePing, type TrustDomain } from "./ping-serving.ts";

let domain: TrustDomain;
let folder: string;
beforeAll(async () => {
  domain = await createTrustDomain();
  folder = mkdtempSync(join(tmpdir(), "reflection-"));
  for (const [name, { cert, key, ca }] of Object.entries({ caller: domain.caller, stranger: domain.stranger })) {
    writeFileSync(join(folder, `${name}.crt`), cert);
    writeFileSync(join(folder, `${name}.key`), key, { mode: 0o600 });
    writeFileSync(join(folder, "ca.crt"), ca);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const servings: PingServing[] = [];
afterEach(async () => {
  for (const serving of servings.splice(0)) await serving[Symbol.asyncDispose]();
});
async function start(options: Partial<ServeOptions>): Promise<PingServing> {
  const serving = await servePing(domain, options);
  servings.push(serving);
  return serving;
}

const ping = PingService.typeName;
const health = HealthService.typeName;
const versions = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

describe("a foreign client", () => {
  /** Runs `buf curl`, a gRPC client in Go, which has no other way to know the services than to ask. */
  async function bufCurl(serving: PingServing, as: "caller" | "stranger", path: string, ...args: string[]) {
    const file = (name: string) => join(folder, name);
    const { stdout } = await promisify(execFile)(join(import.meta.dirname, "../node_modules/.bin/buf"), [
      "curl",
      "--protocol=grpc",
      `--cacert=${file("ca.crt")}`,
      `--cert=${file(`${as}.crt`)}`,
      `--key=${file(`${as}.key`)}`,
      "--servername=ping.production.internal",
      ...args,
      `https://127.0.0.1:${serving.port}${path}`,
    ]);
    return stdout.trim();
  }
  const saidBy = async (call: Promise<string>) =>
    await call.catch((error: unknown) => (error as { readonly stderr: string }).stderr);

  test.each(["grpc-v1", "grpc-v1alpha"])("lists the services, describes one and calls it, by %s", async (protocol) => {
    const serving = await start({ reflection: true });
    const reflect = `--reflect-protocol=${protocol}`;
    const services = (await bufCurl(serving, "caller", "", reflect, "--list-services")).split("\n");
    expect(services.sort()).toEqual([health, ...versions, ping].sort());
    const methods = (await bufCurl(serving, "caller", "", reflect, "--list-methods")).split("\n");
    expect(methods).toContain(`${ping}/PingEach`);
    const answer = await bufCurl(serving, "caller", `/${ping}/Ping`, reflect, '--data={"text":"hello"}');
    expect(JSON.parse(answer)).toMatchObject({ text: "hello" });
  });

  test("learns nothing as a peer without grants", async () => {
    const serving = await start({ reflection: true });
    expect(await saidBy(bufCurl(serving, "stranger", "", "--list-services"))).toContain("permission_denied");
    expect(serving.records("decision").at(-1)).toMatchObject({ outcome: "refused", reason: "PEER_NOT_GRANTED" });
  });

  test("learns nothing of a server that was not told to describe itself", async () => {
    const serving = await start({});
    expect(await saidBy(bufCurl(serving, "caller", "", "--list-services"))).toContain("unimplemented");
  });
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

type Question = ServerReflectionRequest["messageRequest"];
const questions = async function* (...asked: readonly Question[]) {
  for (const messageRequest of asked) yield create(ServerReflectionRequestSchema, { host: "h", messageRequest });
};

async function answersOf(serving: PingServing, asked: readonly Question[], material?: TlsMaterial) {
  const client = createClient(ServerReflection, serving.channels(material));
  return await all(client.serverReflectionInfo(questions(...asked)));
}

test("is for whom its rules let in, where it has any", async () => {
  const rules = [{ credentials: [Credential.MTLS], scopes: ["read:schema"] }];
  const serving = await start({ reflection: { rules } });
  const asked = answersOf(serving, [{ case: "listServices", value: "" }]);
  expect((await failureOf(asked)).code).toBe(grpc.status.PERMISSION_DENIED);
});

test("keeps a server from starting when its rules cannot be met", async () => {
  await expect(start({ reflection: { rules: [] } })).rejects.toThrow(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo has no policy",
  );
});

const fileNames = ({ messageResponse: answer }: ServerReflectionResponse) =>
  answer.case === "fileDescriptorResponse"
    ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
    : answer;

describe("answers", () => {
  const { handlers } = createReflection([ServerReflection, HealthService]);
  const context = {
    metadata: new grpc.Metadata(),
    signal: new AbortController().signal,
    deadlineMs: Infinity,
    responseHeaders: new grpc.Metadata(),
    responseTrailers: new grpc.Metadata(),
  };
  async function ask(...asked: readonly Question[]) {
    return (await all(handlers.serverReflectionInfo(questions(...asked), context))) as ServerReflectionResponse[];
  }
  const reflectionFile = "grpc/reflection/v1/reflection.proto";
  const notFound = { errorResponse: { errorCode: grpc.status.NOT_FOUND } };

  test.each([
    ["fileByFilename", reflectionFile],
    ["fileContainingSymbol", "grpc.reflection.v1.ServerReflection"],
    ["fileContainingSymbol", "grpc.reflection.v1.ServerReflection.ServerReflectionInfo"],
    ["fileContainingSymbol", "grpc.reflection.v1.ExtensionRequest"],
  ] as const)("%s %s with the file", async (kind, value) => {
    const [answer] = await ask({ case: kind, value });
    expect(answer).toMatchObject({ validHost: "h", originalRequest: { host: "h" } });
    expect(answer && fileNames(answer)).toEqual([reflectionFile]);
  });

  test.each([
    ["fileByFilename", "/etc/passwd"],
    ["fileByFilename", "__proto__"],
    ["fileContainingSymbol", "order.v1.OrderService"],
    ["fileContainingSymbol", "grpc.reflection.v1.ServerReflection.Canary"],
    ["fileContainingSymbol", ""],
    ["allExtensionNumbersOfType", "google.protobuf.MethodOptions"],
  ] as const)("%s %j with NOT_FOUND, and does not repeat what was asked", async (kind, value) => {
    const [answer] = await ask({ case: kind, value });
    expect(answer?.messageResponse).toEqual({
      case: "errorResponse",
      value: { ...notFound.errorResponse, errorMessage: "The server knows no such name." },
    });
  });

  test("a file with what it imports, directly or not, and what a stream was sent already not again", async () => {
    const { handlers: both } = createReflection([PingService]);
    const symbol = { case: "fileContainingSymbol", value: ping } as const;
    const answers = await all(both.serverReflectionInfo(questions(symbol, symbol), context));
    const [first = [], second] = answers.map((answer) => fileNames(answer as ServerReflectionResponse)) as string[][];
    expect(first[0]).toBe("zerotrust/testkit/v1/ping.proto");
    expect(first).toEqual(
      expect.arrayContaining(["buf/validate/validate.proto", "google/protobuf/descriptor.proto"]) as string[],
    );
    expect(second).toEqual(["zerotrust/testkit/v1/ping.proto"]);
  });

  test("refuses a request that asks for nothing", async () => {
    await expect(ask({ case: undefined })).rejects.toMatchObject({ code: grpc.status.INVALID_ARGUMENT });
  });
});
