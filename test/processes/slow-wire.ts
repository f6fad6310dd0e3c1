import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A port that leads to another one with a delay in each direction, in milliseconds: what is on its way when something ends. */
export async function slowWire(to: number, delayMs: number): Promise<Disposable & { readonly port: number }> {
  const sockets = new Set<Socket>();
  const carry = (from: Socket, into: Socket) => {
    sockets.add(from);
    from.once("close", () => sockets.delete(from));
    from.on("data", (data) => setTimeout(() => into.write(data), delayMs));
    from.on("end", () => setTimeout(() => into.end(), delayMs));
    from.on("error", () => setTimeout(() => into.destroy(), delayMs));
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: "127.0.0.1", port: to, allowHalfOpen: true });
    carry(near, far);
    carry(far, near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
