import {
  createRegistry,
  type DescExtension,
  type DescFile,
  type DescMethod,
  type DescService,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { type Handlers, RpcError } from "@zero-trust/rpc";
import type {
  ServerReflection as ReflectionService,
  ServerReflectionRequest as Request,
} from "./gen/grpc/reflection/v1/reflection_pb.ts";
import type {
  ServerReflection as ReflectionServiceAlpha,
  ServerReflectionRequest as RequestAlpha,
} from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";

/** The reflection service in the two versions that clients ask for: the messages are the same, their names are not. */
export interface ReflectionServer {
  readonly handlers: Handlers<typeof ReflectionService>;
  readonly handlersAlpha: Handlers<typeof ReflectionServiceAlpha>;
}

/** One question; of either version. */
type Question = Request["messageRequest"] | RequestAlpha["messageRequest"];

/** One answer; of either version. */
type Answer =
  | { readonly case: "fileDescriptorResponse"; readonly value: { fileDescriptorProto: Uint8Array[] } }
  | {
      readonly case: "allExtensionNumbersResponse";
      readonly value: { baseTypeName: string; extensionNumber: number[] };
    }
  | { readonly case: "listServicesResponse"; readonly value: { service: { name: string }[] } }
  | { readonly case: "errorResponse"; readonly value: { errorCode: number; errorMessage: string } };

/**
 * Creates the reflection service (gRPC Server Reflection Protocol) of a server: it describes these services and the
 * files that theirs import, and nothing else that the process knows.
 */
export function createReflection(services: readonly DescService[]): ReflectionServer {
  const files = withImports(services.map(({ file }) => file));
  const registry = createRegistry(...files.values());
  const extensions = [...registry].filter((desc): desc is DescExtension => desc.kind === "extension");
  const names = services.map(({ typeName }) => ({ name: typeName }));

  function answer(question: Question, sent: Set<DescFile>): Answer {
    switch (question.case) {
      case "fileByFilename":
        return describe(files.get(question.value), sent);
      case "fileContainingSymbol":
        return describe((registry.get(question.value) ?? methodOf(question.value)?.parent)?.file, sent);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        const extendee = registry.getMessage(containingType);
        return describe(extendee && registry.getExtensionFor(extendee, extensionNumber)?.file, sent);
      }
      case "allExtensionNumbersOfType": {
        const extendee = registry.getMessage(question.value);
        if (extendee === undefined) return notFound;
        const extensionNumber = extensions.filter((each) => each.extendee === extendee).map(({ number }) => number);
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: extendee.typeName, extensionNumber } };
      }
      case "listServices":
        return { case: "listServicesResponse", value: { service: names } };
      case undefined:
        throw new RpcError(grpc.status.INVALID_ARGUMENT, "The request asks for nothing.");
    }
  }

  /** `package.Service.Method` is a symbol too, which the registry does not know. */
  function methodOf(symbol: string): DescMethod | undefined {
    const dot = symbol.lastIndexOf(".");
    return registry.getService(symbol.slice(0, dot))?.methods.find(({ name }) => name === symbol.slice(dot + 1));
  }

  async function* answers<R extends Request | RequestAlpha>(
    requests: AsyncIterable<R>,
  ): AsyncGenerator<{ validHost: string; originalRequest: R; messageResponse: Answer }> {
    const sent = new Set<DescFile>();
    for await (const originalRequest of requests) {
      const messageResponse = answer(originalRequest.messageRequest, sent);
      yield { validHost: originalRequest.host, originalRequest, messageResponse };
    }
  }
  return { handlers: { serverReflectionInfo: answers }, handlersAlpha: { serverReflectionInfo: answers } };
}

/** A fixed sentence, since what was asked for is the caller's text. */
const notFound: Answer = {
  case: "errorResponse",
  value: { errorCode: grpc.status.NOT_FOUND, errorMessage: "The server knows no such name." },
};

/** The file that was asked for, and those that it imports but for what this stream has been sent already. */
function describe(file: DescFile | undefined, sent: Set<DescFile>): Answer {
  if (file === undefined) return notFound;
  sent.delete(file);
  const fresh = [...withImports([file]).values()].filter((each) => !sent.has(each));
  for (const each of fresh) sent.add(each);
  const fileDescriptorProto = fresh.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

/** These files and all that they import, directly or not, by the name that imports use. */
function withImports(roots: readonly DescFile[]): ReadonlyMap<string, DescFile> {
  const files = new Map<string, DescFile>();
  function add(file: DescFile): void {
    if (files.has(file.proto.name)) return;
    files.set(file.proto.name, file);
    for (const imported of file.dependencies) add(imported);
  }
  for (const root of roots) add(root);
  return files;
}
