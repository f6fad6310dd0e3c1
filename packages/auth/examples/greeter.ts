import type { ServiceDefinition } from "@grpc/grpc-js";

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const decode = (bytes: Buffer): unknown => JSON.parse(bytes.toString("utf8"));

/** What any generator makes of a service with one method; this one speaks JSON. */
export const greeter: ServiceDefinition = {
  Greet: {
    path: "/greeter.v1.Greeter/Greet",
    requestStream: false,
    responseStream: false,
    requestSerialize: encode,
    requestDeserialize: decode,
    responseSerialize: encode,
    responseDeserialize: decode,
  },
};
