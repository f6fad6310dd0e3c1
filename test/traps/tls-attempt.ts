import { once } from "node:events";
import { type ConnectionOptions, connect } from "node:tls";

export interface TlsAttempt {
  /** Whether the server spoke HTTP/2: in TLS 1.3 a client believes in its handshake before the server has judged it. */
  readonly served: boolean;
  readonly protocol: string | null;
  /** The last ticket. */
  readonly session: Buffer | undefined;
  readonly reused: boolean;
}

/** Connects, and sees whether the server's SETTINGS arrive. */
export async function tlsAttempt(port: number, options: ConnectionOptions): Promise<TlsAttempt> {
  const socket = connect({
    port,
    host: "127.0.0.1",
    checkServerIdentity: () => undefined,
    ALPNProtocols: ["h2"],
    ...options,
  });
  let session: Buffer | undefined;
  let reused = false;
  let protocol: string | null = null;
  socket.on("secureConnect", () => {
    reused = socket.isSessionReused();
    protocol = socket.getProtocol();
  });
  socket.on("session", (ticket) => {
    session = ticket;
  });
  const served = await new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
  if (!socket.closed) {
    socket.destroy();
    await once(socket, "close");
  }
  return { served, protocol, session, reused };
}
