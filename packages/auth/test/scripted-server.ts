import {
  type Metadata,
  Server,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { identityFromMemory, type MutualTlsChannels, mutualTlsChannels, mutualTlsServer } from "@zero-trust/mtls";
import type { TestCa } from "@zero-trust/testkit";
import { idOf } from "./ping-server.ts";

/** What a server does with a call of each kind; the messages are bytes. */
export interface Script {
  readonly unary?: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void;
  readonly serverStream?: (call: ServerWritableStream<Buffer, Buffer>) => void;
  readonly clientStream?: (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void;
  readonly bidi?: (call: ServerDuplexStream<Buffer, Buffer>) => void;
}

export const scriptedPath = (method: keyof Script): string => `/test.Scripted/${method}`;

/** A server without `protect()`, that answers as a test wants. */
export interface ScriptedServer extends AsyncDisposable {
  /** The metadata of each attempt that arrived. */
  readonly attempts: readonly Metadata[];
  /** Channels of the order service to it, with the channel options of grpc-js. */
  channels(channelOptions?: Parameters<typeof mutualTlsChannels>[0]["channelOptions"]): Promise<MutualTlsChannels>;
  readonly target: string;
}

const bytes = (value: Buffer): Buffer => value;
const kinds = {
  unary: [false, false],
  serverStream: [false, true],
  clientStream: [true, false],
  bidi: [true, true],
} as const;

const definition = Object.fromEntries(
  Object.entries(kinds).map(([name, [requestStream, responseStream]]) => [
    name,
    {
      path: scriptedPath(name as keyof Script),
      requestStream,
      responseStream,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  ]),
);

export async function startScriptedServer(ca: TestCa, script: Script): Promise<ScriptedServer> {
  const attempts: Metadata[] = [];
  const server = new Server();
  const handlers = Object.fromEntries(
    Object.entries(script).map(([name, handler]) => [
      name,
      (call: { readonly metadata: Metadata }, ...rest: readonly unknown[]) => {
        attempts.push(call.metadata);
        (handler as (...args: readonly unknown[]) => void)(call, ...rest);
      },
    ]),
  );
  server.addService(definition, handlers);
  const identity = identityFromMemory(await ca.issue({ spiffeId: idOf("ping-service") }));
  const listener = mutualTlsServer({ identity, server, drainMs: 0 });
  const target = `127.0.0.1:${await listener.listen({ host: "127.0.0.1", port: 0 })}`;
  const open: MutualTlsChannels[] = [];
  return {
    attempts,
    target,
    async channels(channelOptions = {}) {
      const own = identityFromMemory(await ca.issue({ spiffeId: idOf("order-service") }));
      const channels = mutualTlsChannels({ identity: own, target, serverId: idOf("ping-service"), channelOptions });
      open.push(channels);
      return channels;
    },
    async [Symbol.asyncDispose]() {
      for (const channels of open) channels.close();
      await listener.close();
      server.forceShutdown();
    },
  };
}
