import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { type DescEnum, type DescExtension, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Label } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate as file } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

const labels: Record<FieldDescriptorProto_Label, string> = {
  [FieldDescriptorProto_Label.OPTIONAL]: "optional ",
  [FieldDescriptorProto_Label.REPEATED]: "repeated ",
  [FieldDescriptorProto_Label.REQUIRED]: "required ",
};

function typeName(field: DescField | DescExtension): string {
  if (field.message !== undefined) return `.${field.message.typeName}`;
  if (field.enum !== undefined) return `.${field.enum.typeName}`;
  return ScalarType[field.scalar ?? ScalarType.STRING].toLowerCase();
}

function printField(field: DescField | DescExtension): string {
  const label = field.oneof === undefined ? labels[field.proto.label] : "";
  return `${label}${typeName(field)} ${field.name} = ${field.number};`;
}

function printEnum(desc: DescEnum): string[] {
  return [`enum ${desc.name} {`, ...desc.values.map((v) => `  ${v.name} = ${v.number};`), "}"];
}

function printMessage(desc: DescMessage): string[] {
  const body = [
    ...desc.nestedEnums.flatMap(printEnum),
    ...desc.nestedMessages.flatMap(printMessage),
    ...desc.fields.filter((f) => f.oneof === undefined).map(printField),
    ...desc.oneofs.flatMap((o) => [`oneof ${o.name} {`, ...o.fields.map((f) => `  ${printField(f)}`), "}"]),
    ...desc.proto.extensionRange.map((r) => `extensions ${r.start} to ${r.end === 536870912 ? "max" : r.end - 1};`),
  ];
  return [`message ${desc.name} {`, ...body.map((line) => `  ${line}`), "}"];
}

/**
 * Writes `.deps/buf/validate/validate.proto`, which our .proto files import: the npm package ships only its
 * descriptor, so the source is printed from that. Options of options are left out; nothing here reads them.
 */
export function writeProtoDeps(): void {
  const lines = [
    'syntax = "proto2";',
    `package ${file.proto.package};`,
    ...file.dependencies.map((d) => `import "${d.proto.name}";`),
    ...file.enums.flatMap(printEnum),
    ...file.messages.flatMap(printMessage),
    ...file.extensions.map((e) => `extend .${e.extendee.typeName} { ${printField(e)} }`),
  ];
  const folder = new URL("../../.deps/buf/validate/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  // At once, since buf may be reading it for somebody else.
  const draft = new URL(`validate.proto.${process.pid}`, folder);
  writeFileSync(draft, `${lines.join("\n")}\n`);
  renameSync(draft, new URL("validate.proto", folder));
}

if (import.meta.main) writeProtoDeps();
