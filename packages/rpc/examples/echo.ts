import { type ChannelInterface, type Metadata, Server, status } from "@grpc/grpc-js";
import { addService, createClient, RpcError } from "@zero-trust/rpc";
import { PingService, pingHandlers } from "@zero-trust/testkit";

export function echoServer(): Server {
  const server = new Server();
  addService(
    server,
    PingService,
    {
      ...pingHandlers<Metadata>(),
      ping(request) {
        if (request.text === "") throw new RpcError(status.INVALID_ARGUMENT, "Say something.");
        return { text: request.text };
      },
    },
    { onError: (error, { method }) => console.error(method, error) },
  );
  return server;
}

export async function echo(channel: ChannelInterface, text: string): Promise<string[]> {
  const client = createClient(PingService, { channel: () => channel });
  const texts = [(await client.ping({ text }, { timeoutMs: 1_000 })).text];
  for await (const answer of client.pingMany({ text, count: 3 })) texts.push(answer.text);
  return texts;
}
