import type { ServerResponse } from "node:http";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { listenError } from "@zero-trust/server";

/** Requests that are running when the issuer closes may take this long, as long as one may take at all. */
const DRAIN_TIMEOUT_MS = 10_000;

/** A server that listens. */
export interface Listening {
  readonly port: number;
  /** Takes no new connections, lets running requests end, cuts off what is left after 10 s. */
  readonly close: () => Promise<void>;
}

/** Makes the server listen; throws ConfigError, for instance when the port is in use. */
export async function listen(
  server: Server,
  address: { readonly host: string; readonly port: number },
): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, address)));
    server.listen({ host: address.host, port: address.port }, resolve);
  });
  const running = new Set<ServerResponse>();
  server.on("request", (_request, response) => {
    running.add(response);
    response.once("close", () => running.delete(response));
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        // Who keeps his connection for another request would have us wait for it.
        for (const response of running) if (!response.headersSent) response.setHeader("Connection", "close");
        const cutOff = setTimeout(() => server.closeAllConnections(), DRAIN_TIMEOUT_MS);
        server.close(() => {
          clearTimeout(cutOff);
          resolve();
        });
      }),
  };
}
