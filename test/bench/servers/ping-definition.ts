import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type * as grpc from "@grpc/grpc-js";
import {
  type PingEachRequest,
  PingEachResponseSchema,
  type PingManyRequest,
  PingManyResponseSchema,
  type PingRequest,
  PingResponseSchema,
  PingService,
  type PingSumRequest,
  PingSumResponseSchema,
} from "@zero-trust/testkit";

/** The ping service as a generator for grpc-js would define it. */
export const pingDefinition: grpc.ServiceDefinition = Object.fromEntries(
  PingService.methods.map(({ name, localName, methodKind, input, output }) => [
    localName,
    {
      path: `/${PingService.typeName}/${name}`,
      requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
      responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
      requestSerialize: encoderOf(input),
      requestDeserialize: decoderOf(input),
      responseSerialize: encoderOf(output),
      responseDeserialize: decoderOf(output),
    },
  ]),
);

/** What every server does that has the handlers of grpc-js. */
export const pingImplementation: grpc.UntypedServiceImplementation = {
  ping({ request }: grpc.ServerUnaryCall<PingRequest, unknown>, answer: grpc.sendUnaryData<unknown>) {
    answer(null, create(PingResponseSchema, { text: request.text }));
  },
  pingMany(call: grpc.ServerWritableStream<PingManyRequest, unknown>) {
    const { text, count } = call.request;
    for (let index = 0; index < count; index += 1) call.write(create(PingManyResponseSchema, { text, index }));
    call.end();
  },
  pingSum(call: grpc.ServerReadableStream<PingSumRequest, unknown>, answer: grpc.sendUnaryData<unknown>) {
    let sum = 0n;
    let count = 0;
    call.on("data", ({ value }: PingSumRequest) => {
      sum += BigInt(value);
      count += 1;
    });
    call.on("end", () => answer(null, create(PingSumResponseSchema, { sum, count })));
  },
  pingEach(call: grpc.ServerDuplexStream<PingEachRequest, unknown>) {
    call.on("data", ({ text }: PingEachRequest) => call.write(create(PingEachResponseSchema, { text })));
    call.on("end", () => call.end());
  },
};

function encoderOf<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => {
    const { buffer, byteOffset, byteLength } = toBinary(schema, message);
    return Buffer.from(buffer, byteOffset, byteLength);
  };
}

function decoderOf<D extends DescMessage>(schema: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(schema, bytes);
}
