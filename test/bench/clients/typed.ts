// Ours, as a service of this repository calls another: `createClient()` with deadlines, over `connect()`.
import { createClient, RpcError } from "@zero-trust/rpc";
import { PingService } from "@zero-trust/testkit";
import { withCredentials } from "./credentials.ts";
import { given, obeyWith } from "./given.ts";

const options = await given();
const client = createClient(PingService, withCredentials(options));
const text = "x".repeat(options.bodyBytes - 3);
async function ping(): Promise<string | undefined> {
  try {
    return (await client.ping({ text })).text === text ? undefined : "another text";
  } catch (error) {
    return error instanceof RpcError ? `status ${error.code}` : String(error);
  }
}

obeyWith((_lane, done) => {
  void (async () => done(await ping()))();
});
