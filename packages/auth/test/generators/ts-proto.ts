import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema } from "@bufbuild/protobuf/wkt";
import type { ServiceDefinition } from "@grpc/grpc-js";
import type { Generator } from "./generator.ts";
import { files, ownFiles, unusualProtobuf } from "./schema.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const plugin = join(root, "node_modules/ts-proto/protoc-gen-ts_proto");

/** ts-proto, which generates TypeScript: run as `protoc` runs it, into a folder that is gone when the code is loaded. */
export async function tsProto(): Promise<Generator> {
  // Inside of the package, where what the generated code imports is found.
  mkdirSync(join(root, ".vitest"), { recursive: true });
  const folder = mkdtempSync(join(root, ".vitest/ts-proto-"));
  try {
    for (const { name, content } of generate()) {
      mkdirSync(join(folder, dirname(name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    const load = async (file: string, service: string) =>
      ((await import(join(folder, file))) as Record<string, ServiceDefinition>)[service] ?? {};
    return {
      name: "ts-proto",
      ping: await load("zerotrust/testkit/v1/ping.ts", "PingServiceService"),
      labels: await load("zerotrust/labels/v1/labels.ts", "LabelServiceService"),
      unusual: unusualProtobuf,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function generate(): { readonly name: string; readonly content: string }[] {
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: [...ownFiles],
    parameter: "outputServices=grpc-js,esModuleInterop=true,importSuffix=.ts",
    protoFile: [...files],
  });
  const { stdout, stderr, status } = spawnSync(process.execPath, [plugin], {
    input: toBinary(CodeGeneratorRequestSchema, request),
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`ts-proto failed: ${stderr.toString()}`);
  const response = fromBinary(CodeGeneratorResponseSchema, new Uint8Array(stdout));
  if (response.error !== "") throw new Error(`ts-proto failed: ${response.error}`);
  return response.file;
}
