import { once } from "node:events";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { bearer, connect } from "@zero-trust/auth/client";
import { fixedToken } from "@zero-trust/infra/callers";
import { mutualTlsChannels, type ServerRule, type TlsIdentity } from "@zero-trust/mtls";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import type { IssuedCertificate } from "@zero-trust/testkit";

const token = "canary";
const unavailable = 14;

/** A server to which our client is led, and what the client makes of it. */
export interface Leading {
  /** What the server shows. */
  readonly server: Pick<IssuedCertificate, "cert" | "key">;
  /** Who the client is, and whom it trusts. */
  readonly identity: TlsIdentity;
  /** Whom it wants to talk to. */
  readonly wanted: ServerRule;
}

/** Leads our client, with a token to show, to a server that listens: says whether the client has told it anything. */
export async function toldTo({ server: { cert, key }, identity, wanted }: Leading): Promise<string> {
  const heard: unknown[] = [];
  const server = createSecureServer({ cert, key });
  server.on("stream", (stream, { authorization }) => {
    heard.push(authorization);
    stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" }, { endStream: true });
  });
  await using opened = new AsyncDisposableStack();
  opened.defer(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const channels = opened.adopt(mutualTlsChannels({ identity, target, serverId: wanted }), (them) => them.close());
  const credentials = [bearer({ tokens: fixedToken(token) })];
  const client = createClient(PaymentService, connect({ channels, credentials }), { timeoutMs: 20_000 });
  const ended = await client.listTransactions({}).catch((error: unknown) => error);
  const isUnreachable = ended instanceof Error && "code" in ended && ended.code === unavailable;
  if (heard.length === 0 && isUnreachable) return "refused by the client";
  return heard.includes(`Bearer ${token}`) ? "told the token" : String(ended);
}
