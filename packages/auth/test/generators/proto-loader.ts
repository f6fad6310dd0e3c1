import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";
import type { Generator } from "./generator.ts";
import { unusualProtobuf } from "./schema.ts";

const protos = fileURLToPath(new URL("../../../testkit/proto", import.meta.url));

/** What is read besides ping.proto. */
const written: Readonly<Record<string, string>> = {
  // The rules for validators that it imports: whoever does not validate gets by with an empty file.
  "buf/validate/validate.proto": 'syntax = "proto3"; package buf.validate;',
  // As a file, since protobufjs does not know the maps of a descriptor set.
  "zerotrust/labels/v1/labels.proto": `
    syntax = "proto3";
    package zerotrust.labels.v1;
    message LabelRequest { map<string, string> labels = 1; }
    message LabelResponse { uint32 count = 1; }
    service LabelService { rpc Label(LabelRequest) returns (LabelResponse); }`,
};

/** `@grpc/proto-loader`, which reads .proto files while the program runs; protobufjs writes and reads the messages. */
export function protoLoader(): Generator {
  const folder = mkdtempSync(join(tmpdir(), "proto-loader-"));
  try {
    for (const [file, text] of Object.entries(written)) {
      mkdirSync(join(folder, dirname(file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const ours = ["zerotrust/testkit/v1/ping.proto", "zerotrust/labels/v1/labels.proto"];
    const loaded = loadSync(ours, { includeDirs: [protos, folder], defaults: true });
    return {
      name: "proto-loader",
      ping: serviceOf(loaded, "zerotrust.testkit.v1.PingService"),
      labels: serviceOf(loaded, "zerotrust.labels.v1.LabelService"),
      unusual: unusualProtobuf,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function serviceOf(definitions: PackageDefinition, name: string): ServiceDefinition {
  const service = definitions[name];
  if (service === undefined || "format" in service) throw new Error(`There is no service ${name}.`);
  return service;
}
