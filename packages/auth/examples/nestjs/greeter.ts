import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export const packageDefinition = loadSync("greeter.proto");

export const greeter = packageDefinition["greeter.v1.Greeter"] as ServiceDefinition;
