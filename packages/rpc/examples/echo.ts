import { type ChannelInterface, type Metadata, Server, status } from "@grpc/grpc-js";
import { addService, callLimits, createClient, detail, RpcError } from "@zero-trust/rpc";
import { BadRequestSchema } from "@zero-trust/rpc/error-details";
import { PingService, pingHandlers } from "@zero-trust/testkit";

export function echoServer(): Server {
  const server = new Server({ interceptors: [callLimits()] });
  addService(
    server,
    PingService,
    {
      ...pingHandlers<Metadata>(),
      ping(request) {
        if (request.text !== "") return { text: request.text };
        const details = [detail(BadRequestSchema, { fieldViolations: [{ field: "text", reason: "EMPTY" }] })];
        throw new RpcError(status.INVALID_ARGUMENT, "Say something.", { details });
      },
    },
    { onError: (error, { method }) => console.error(method, error) },
  );
  return server;
}

export async function echo(channel: ChannelInterface, text: string): Promise<string[]> {
  const client = createClient(PingService, { channel: () => channel });
  try {
    const texts = [(await client.ping({ text }, { timeoutMs: 1_000 })).text];
    for await (const answer of client.pingMany({ text, count: 3 })) texts.push(answer.text);
    return texts;
  } catch (error) {
    const wrong = error instanceof RpcError ? error.findDetail(BadRequestSchema) : undefined;
    if (wrong === undefined) throw error;
    return wrong.fieldViolations.map(({ field, reason }) => `${field}: ${reason}`);
  }
}
