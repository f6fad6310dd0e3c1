/** A Nest microservice as it was, and what makes it zero-trust: the lines that end in `ours`. */
import "reflect-metadata";
import type { Metadata } from "@grpc/grpc-js";
import { Controller, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { GrpcMethod } from "@nestjs/microservices";
import { Credential, definePolicy, identityOf } from "@zero-trust/auth"; // ours
import { apiKey } from "@zero-trust/auth/server"; // ours
import { apiKeyFile, grantsFile } from "@zero-trust/auth/stores/file"; // ours
import { identityFromDirectory } from "@zero-trust/mtls"; // ours
import { greeter, packageDefinition } from "./greeter.ts";
import type { Files } from "./try-out.ts";
import { ZeroTrustGrpc } from "./zero-trust-grpc.ts";

const trustDomain = "production.internal";
const audience = `https://greeter.${trustDomain}`;

@Controller()
class GreeterController {
  @GrpcMethod("Greeter", "Greet")
  greet({ greeting }: { greeting: string }, metadata: Metadata): { text: string } {
    return { text: `${greeting}, ${identityOf(metadata).client}` }; // ours
  }
}

@Module({ controllers: [GreeterController] })
class GreeterModule {}

export async function startServer(files: Files): Promise<{ port: number; close(): Promise<void> }> {
  const { serverTls, apiKeys, grants } = files;
  const identity = identityFromDirectory(serverTls); // ours
  const policies = [definePolicy(greeter, { Greet: [{ credentials: [Credential.API_KEY], scopes: ["greet"] }] })]; // ours
  const credentials = [apiKey({ keys: apiKeyFile(apiKeys), audience })]; // ours
  const strategy = new ZeroTrustGrpc({
    identity,
    protect: { trustDomain, policies, credentials, grants: grantsFile(grants), onDecision: console.warn }, // ours
    host: "127.0.0.1",
    port: 0,
    grpc: { package: "greeter.v1", packageDefinition },
  });
  const service = await NestFactory.createMicroservice(GreeterModule, { strategy, logger: ["error"] });
  await service.listen();
  return { port: strategy.port, close: () => service.close() };
}
