import { create, type DescFile } from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { PingService } from "@zero-trust/testkit";
import { labelPath, pingManyPath, type UnusualRequest } from "./generator.ts";

/** A service whose request is a map, which has no order: compiled, as `protoc` would hand it to a generator. */
const labels: FileDescriptorProto = create(FileDescriptorProtoSchema, {
  name: "zerotrust/labels/v1/labels.proto",
  package: "zerotrust.labels.v1",
  syntax: "proto3",
  messageType: [
    create(DescriptorProtoSchema, {
      name: "LabelRequest",
      field: [
        {
          name: "labels",
          jsonName: "labels",
          number: 1,
          label: Label.REPEATED,
          type: Type.MESSAGE,
          typeName: ".zerotrust.labels.v1.LabelRequest.LabelsEntry",
        },
      ],
      nestedType: [
        {
          name: "LabelsEntry",
          field: [
            { name: "key", jsonName: "key", number: 1, label: Label.OPTIONAL, type: Type.STRING },
            { name: "value", jsonName: "value", number: 2, label: Label.OPTIONAL, type: Type.STRING },
          ],
          options: { mapEntry: true },
        },
      ],
    }),
    create(DescriptorProtoSchema, {
      name: "LabelResponse",
      field: [{ name: "count", jsonName: "count", number: 1, label: Label.OPTIONAL, type: Type.UINT32 }],
    }),
  ],
  service: [
    {
      name: "LabelService",
      method: [
        {
          name: "Label",
          inputType: ".zerotrust.labels.v1.LabelRequest",
          outputType: ".zerotrust.labels.v1.LabelResponse",
        },
      ],
    },
  ],
});

/** The two files that services are generated from, after all that they import. */
export const files: readonly FileDescriptorProto[] = [...new Set([...withImports(PingService.file), labels])];
export const ownFiles: readonly string[] = [PingService.file.proto.name, labels.name];

function withImports(file: DescFile): FileDescriptorProto[] {
  return [...file.dependencies.flatMap(withImports), file.proto];
}

/** Protocol Buffers, legal and unlike anything that a generator writes. */
export const unusualProtobuf: readonly UnusualRequest[] = [
  {
    what: "fields in reverse, a number longer than it needs to be, and an unknown field between them",
    path: pingManyPath,
    // count = 2 in three bytes; field 99 = "abc"; text = "hello"
    bytes: Buffer.from(`10828000${"9a0603616263"}${"0a0568656c6c6f"}`, "hex"),
    means: { text: "hello", count: 2 },
  },
  {
    what: "a field twice, where the last one counts",
    path: pingManyPath,
    bytes: Buffer.from(`0a01780a0568656c6c6f1002`, "hex"),
    means: { text: "hello", count: 2 },
  },
  {
    what: "a map in no order, with an entry whose value comes first and a key that is there twice",
    path: labelPath,
    // {z: "1"} · {value: "2", key: "b"} · {a: "3"} · {a: "4"}
    bytes: Buffer.from(`0a060a017a120131${"0a061201320a0162"}${"0a060a0161120133"}${"0a060a0161120134"}`, "hex"),
    means: { labels: { z: "1", b: "2", a: "4" } },
  },
];
