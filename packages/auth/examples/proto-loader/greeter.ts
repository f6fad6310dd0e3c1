import { fileURLToPath } from "node:url";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const definitions = loadSync(fileURLToPath(new URL("greeter.proto", import.meta.url)));

export const greeter = definitions["greeter.v1.Greeter"] as ServiceDefinition;
