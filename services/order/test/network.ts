// A network between a service and its database, which can go without a word.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server. */
export interface Network extends AsyncDisposable {
  readonly port: number;
  /** From now on everything is swallowed, or no longer. */
  swallow(whether: boolean): void;
}

/** Leads from a port of its own to a server. */
export async function networkTo(server: { readonly host: string; readonly port: number }): Promise<Network> {
  let swallowing = false;
  const sockets = new Set<Socket>();
  const pass = (from: Socket, into: Socket) => {
    sockets.add(from);
    from.on("data", (data) => {
      if (!swallowing) into.write(data);
    });
    from.on("error", () => undefined);
    from.on("close", () => {
      sockets.delete(from);
      into.destroy();
    });
  };
  const listening = createServer((near) => {
    const far = connect(server.port, server.host);
    pass(near, far);
    pass(far, near);
  }).listen(0, "127.0.0.1");
  await once(listening, "listening");
  return {
    port: (listening.address() as AddressInfo).port,
    swallow(whether) {
      swallowing = whether;
    },
    async [Symbol.asyncDispose]() {
      listening.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
