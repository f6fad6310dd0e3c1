/** Nest's gRPC transport behind our door and our guard: the lines that end in `ours` are what it does not do by itself. */
import { Server, type ServerOptions } from "@grpc/grpc-js";
import { type GrpcOptions, ServerGrpc } from "@nestjs/microservices";
import { type ProtectOptions, protect } from "@zero-trust/auth/server"; // ours
import { type MutualTlsServer, mutualTlsServer, type TlsIdentity } from "@zero-trust/mtls"; // ours

export interface ZeroTrustGrpcOptions {
  readonly identity: TlsIdentity;
  readonly protect: ProtectOptions;
  readonly host: string;
  readonly port: number;
  readonly grpc: GrpcOptions["options"];
}

/** `createMicroservice(AppModule, { strategy: new ZeroTrustGrpc({…}) })` */
export class ZeroTrustGrpc extends ServerGrpc {
  readonly #options: ZeroTrustGrpcOptions;
  #door: MutualTlsServer | undefined;
  /** The port that it listens at. */
  port = 0;

  constructor(options: ZeroTrustGrpcOptions) {
    super(options.grpc);
    this.#options = options;
  }

  /** Nest would bind it here, before its handlers are there. */
  override async createClient(): Promise<Server> {
    const { identity, grpc } = this.#options;
    const options: ServerOptions = { ...grpc.channelOptions, interceptors: [protect(this.#options.protect)] }; // ours
    const server = new Server(options);
    this.#door = mutualTlsServer({ identity, server }); // ours
    return server;
  }

  override async bindEvents(): Promise<void> {
    await super.bindEvents();
    this.port = (await this.#door?.listen(this.#options)) ?? 0; // ours
  }

  override async close(): Promise<void> {
    await this.#door?.close(); // ours
    await super.close();
  }
}
