// NestJS as its documentation shows it: its gRPC transport, and a guard that verifies a token alone. Its decorators are called by
// hand, as Node runs TypeScript without them; its messages are those of proto-loader, which it brings.
import "reflect-metadata";
import { create, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Metadata, ServerCredentials, status } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { type CanActivate, Controller, type ExecutionContext, Module, UseGuards } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { GrpcMethod, type MicroserviceOptions, RpcException, Transport } from "@nestjs/microservices";
import { type PingRequest, PingService } from "@zero-trust/testkit";
import { freePort } from "../../scaling/free-port.ts";
import { given, listensOn } from "./given.ts";
import { tokenCheck } from "./token-check.ts";

const { material } = await given();
const { cert, key, ca } = material.tls;
const check = tokenCheck(material);

class TokenGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const [authorization] = context.switchToRpc().getContext<Metadata>().get("authorization");
    try {
      await check(authorization?.toString());
    } catch {
      throw new RpcException({ code: status.UNAUTHENTICATED, message: "denied" });
    }
    return true;
  }
}

class PingController {
  ping({ text }: PingRequest): { text: string } {
    return { text };
  }
}
const ping = Object.getOwnPropertyDescriptor(PingController.prototype, "ping") as PropertyDescriptor;
GrpcMethod("PingService", "Ping")(PingController.prototype, "ping", ping);
UseGuards(TokenGuard)(PingController.prototype, "ping", ping);
Controller()(PingController);

class PingModule {}
Module({ controllers: [PingController] })(PingModule);

const { file } = PingService;
const set = create(FileDescriptorSetSchema, { file: [file.proto] });
const port = await freePort();
const app = await NestFactory.createMicroservice<MicroserviceOptions>(PingModule, {
  transport: Transport.GRPC,
  logger: ["error"],
  options: {
    url: `127.0.0.1:${port}`,
    package: file.proto.package,
    packageDefinition: loadFileDescriptorSetFromBuffer(Buffer.from(toBinary(FileDescriptorSetSchema, set))),
    credentials: ServerCredentials.createSsl(
      Buffer.from(ca),
      [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }],
      true,
    ),
  },
});
await app.listen();
listensOn(port);
