import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescService,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { PingService } from "@zero-trust/testkit";
import type { Generator } from "./generator.ts";
import { files, unusualProtobuf } from "./schema.ts";

/** protobuf-es, with a definition for grpc-js that somebody wrote around it. */
export function protobufEs(): Generator {
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [...files] }));
  const labels = registry.getService("zerotrust.labels.v1.LabelService");
  if (labels === undefined) throw new Error("There is no LabelService.");
  return {
    name: "protobuf-es",
    ping: definitionOf(PingService),
    labels: definitionOf(labels),
    unusual: unusualProtobuf,
  };
}

function definitionOf(service: DescService): ServiceDefinition {
  const encode = (schema: DescMessage) => (message: object) =>
    Buffer.from(toBinary(schema, create(schema, message as MessageInitShape<DescMessage>)));
  const decode = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, new Uint8Array(bytes));
  return Object.fromEntries(
    service.methods.map(({ localName, name, methodKind, input, output }) => [
      localName,
      {
        path: `/${service.typeName}/${name}`,
        requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
        responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
        requestSerialize: encode(input),
        requestDeserialize: decode(input),
        responseSerialize: encode(output),
        responseDeserialize: decode(output),
      },
    ]),
  );
}
