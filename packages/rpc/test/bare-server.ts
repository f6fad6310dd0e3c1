import { createSecureServer, type OutgoingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { Channel, type ChannelOptions, credentials } from "@grpc/grpc-js";
import { createCa, PingService } from "@zero-trust/testkit";
import { type Client, type ClientOptions, createClient } from "../src/index.ts";

/** What a server that keeps no rule of gRPC answers every call with. */
export interface BareAnswer {
  readonly headers?: OutgoingHttpHeaders;
  readonly bytes?: Buffer;
  readonly trailers?: OutgoingHttpHeaders;
  /** How many calls lose their connection when the headers and a part of the bytes are sent; none unless given. */
  readonly breaksOff?: number;
}

/** A server that keeps no rule of gRPC, and clients of it. */
export interface BareServer extends AsyncDisposable {
  readonly client: (
    options?: ChannelOptions,
    clientOptions?: ClientOptions,
    service?: typeof PingService,
  ) => Client<typeof PingService>;
  /** How many calls there were. */
  readonly calls: () => number;
}

/** Starts a server that sends the same bytes to everybody. */
export async function bareAnswer({ headers, bytes, trailers, breaksOff = 0 }: BareAnswer): Promise<BareServer> {
  const { cert, key, ca } = await (await createCa()).issue({ spiffeId: "spiffe://production.internal/ping" });
  const server = createSecureServer({ cert, key, ca, requestCert: true });
  let calls = 0;
  server.on("secureConnection", (socket: TLSSocket) => {
    server.on("break", () => socket.destroy());
  });
  server.on("stream", (stream) => {
    calls += 1;
    stream.on("error", () => {});
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", ...trailers }));
    stream.respond({ ":status": 200, "content-type": "application/grpc", ...headers }, { waitForTrailers: true });
    if (calls <= breaksOff) stream.write(bytes?.subarray(0, 1), () => server.emit("break"));
    else stream.end(bytes);
  });
  const channels: Channel[] = [];
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    calls: () => calls,
    client(options, clientOptions, service = PingService): Client<typeof PingService> {
      const buffers = [ca, key, cert].map((pem) => Buffer.from(pem)) as [Buffer, Buffer, Buffer];
      const channel = new Channel(`127.0.0.1:${port}`, credentials.createSsl(...buffers), {
        "grpc.ssl_target_name_override": "ping.production.internal",
        "grpc.use_local_subchannel_pool": 1,
        ...options,
      });
      channels.push(channel);
      return createClient(service, { channel: () => channel }, clientOptions);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const channel of channels) channel.close();
      server.close();
    },
  };
}
