import * as grpc from "@grpc/grpc-js";

/** A call as the handler got it. */
export interface SeenCall {
  readonly metadata: grpc.Metadata;
  readonly authContext: ReturnType<grpc.ServerUnaryCall<Buffer, Buffer>["getAuthContext"]>;
  readonly deadline: grpc.Deadline;
}

export interface EchoServer extends Disposable {
  readonly server: grpc.Server;
  readonly port: number;
  /** The unary calls that reached the handler. */
  readonly seen: readonly SeenCall[];
}

export interface EchoServerOptions {
  /** Plaintext unless given. */
  readonly credentials?: grpc.ServerCredentials;
  readonly options?: grpc.ServerOptions;
  /** In place of those that echo. */
  readonly handlers?: grpc.UntypedServiceImplementation;
}

const asIs = (bytes: Buffer): Buffer => bytes;

function method(name: string, requestStream: boolean, responseStream: boolean): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path: `/traps.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

/** A service of bytes, one method a kind of call, by hand: what is shown here is grpc-js alone. */
export const echoDefinition: Readonly<
  Record<"Bidi" | "ClientStream" | "ServerStream" | "Unary", grpc.MethodDefinition<Buffer, Buffer>>
> = {
  Unary: method("Unary", false, false),
  ServerStream: method("ServerStream", false, true),
  ClientStream: method("ClientStream", true, false),
  Bidi: method("Bidi", true, true),
};

/** A server of grpc-js with nothing of ours, on loopback. */
export async function echoServer(given: EchoServerOptions = {}): Promise<EchoServer> {
  const seen: SeenCall[] = [];
  const server = new grpc.Server(given.options);
  server.addService(echoDefinition, {
    Unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      seen.push({ metadata: call.metadata, authContext: call.getAuthContext(), deadline: call.getDeadline() });
      callback(null, call.request);
    },
    ServerStream: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      call.write(call.request);
      call.end();
    },
    ClientStream: (call: grpc.ServerReadableStream<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      call.on("error", () => {});
      call.resume().on("end", () => callback(null, Buffer.from("all")));
    },
    Bidi: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on("error", () => {});
      call.on("data", (message: Buffer) => call.write(message)).on("end", () => call.end());
    },
    ...given.handlers,
  });
  const port = await bind(server, given.credentials ?? grpc.ServerCredentials.createInsecure());
  return { server, port, seen, [Symbol.dispose]: () => server.forceShutdown() };
}

function bind(server: grpc.Server, credentials: grpc.ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}
