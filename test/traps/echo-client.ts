import * as grpc from "@grpc/grpc-js";
import { echoDefinition } from "./echo-server.ts";

/** How a call ended, and what it answered. */
export interface Answer {
  readonly code: grpc.status;
  readonly text: string;
}

export interface EchoCall {
  readonly message?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly options?: grpc.CallOptions;
  /** Does not fail while the server is not to be reached. */
  readonly waitForReady?: boolean;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
}

export interface EchoClient extends Disposable {
  readonly client: grpc.Client;
  /** One unary call; its deadline is in 15 seconds unless it brings its own. */
  call(call?: EchoCall): Promise<Answer>;
  bidi(options?: grpc.CallOptions): grpc.ClientDuplexStream<Buffer, Buffer>;
}

export interface EchoClientOptions extends grpc.ClientOptions {
  /** Plaintext unless given. */
  readonly credentials?: grpc.ChannelCredentials;
  /** In place of the port on 127.0.0.1. */
  readonly target?: string;
}

/** A client of grpc-js with nothing of ours. */
export function echoClient(port: number, given: EchoClientOptions = {}): EchoClient {
  const { credentials = grpc.credentials.createInsecure(), target = `127.0.0.1:${port}`, ...options } = given;
  const client = new grpc.Client(target, credentials, options);
  const { Unary: unary, Bidi: bidi } = echoDefinition;
  return {
    client,
    call: ({ message = "hello", metadata = {}, options: callOptions = {}, waitForReady = false, signal } = {}) =>
      new Promise((resolve) => {
        const sent = new grpc.Metadata({ waitForReady });
        for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
        const call = client.makeUnaryRequest(
          unary.path,
          unary.requestSerialize,
          unary.responseDeserialize,
          Buffer.from(message),
          sent,
          { deadline: Date.now() + 15_000, ...callOptions },
          (error, answer) => resolve({ code: error?.code ?? grpc.status.OK, text: error?.details ?? String(answer) }),
        );
        signal?.addEventListener("abort", () => call.cancel());
      }),
    bidi: (callOptions = {}) =>
      client.makeBidiStreamRequest(
        bidi.path,
        bidi.requestSerialize,
        bidi.responseDeserialize,
        new grpc.Metadata(),
        callOptions,
      ),
    [Symbol.dispose]: () => client.close(),
  };
}
