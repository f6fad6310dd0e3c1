import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect } from "node:http2";
import { request } from "node:https";
import { buffer } from "node:stream/consumers";
import { spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import { clientTlsOptions, httpsAgent, type TlsIdentity } from "@zero-trust/mtls";

/** A call that a server has begun, and cannot end before it is told the rest. */
export interface CallUnderWay {
  /** Sends the rest, and resolves when the whole answer is there. */
  finish(): Promise<void>;
}

/** Whom it is made to, and as whom. */
export interface CallUnderWayOptions {
  readonly identity: TlsIdentity;
  readonly server: Workload;
  readonly port: number;
}

/** A message of gRPC that is empty: flags and length, all zero. */
const EMPTY_MESSAGE = Buffer.alloc(5);

/** Asks for a server's health, and keeps the message back. */
export async function grpcUnderWay({ identity, server, port }: CallUnderWayOptions): Promise<CallUnderWay> {
  const options = clientTlsOptions({ identity, serverId: spiffeIdOf(server) });
  const session = connect(`https://127.0.0.1:${port}`, { ...options, ALPNProtocols: ["h2"] });
  await once(session, "remoteSettings");
  const stream = session.request({
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Check",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const trailers = once(stream, "trailers");
  // What comes after the headers is answered: so they have come.
  await new Promise<void>((resolve) => session.ping(() => resolve()));
  return {
    async finish() {
      stream.end(EMPTY_MESSAGE);
      stream.resume();
      const [{ "grpc-status": status }] = (await trailers) as [Record<string, unknown>];
      session.destroy();
      if (status !== "0") throw new Error(`A call under way was not served: ${String(status)}`);
    },
  };
}

/** Asks for a token, and keeps the body back. */
export async function httpsUnderWay({ identity, server, port }: CallUnderWayOptions): Promise<CallUnderWay> {
  const body = "grant_type=client_credentials";
  const asking = request({
    host: "127.0.0.1",
    port,
    method: "POST",
    path: "/oauth/token",
    agent: httpsAgent({ identity, serverId: spiffeIdOf(server) }),
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "content-length": Buffer.byteLength(body),
      expect: "100-continue",
    },
  });
  asking.flushHeaders();
  await once(asking, "continue");
  return {
    async finish() {
      const answered = once(asking, "response") as Promise<[IncomingMessage]>;
      asking.end(body);
      const [response] = await answered;
      await buffer(response);
    },
  };
}
