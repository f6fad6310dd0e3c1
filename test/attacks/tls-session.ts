import { connect } from "node:tls";
import { connectionPreface, type IssuedCertificate, settingsFrame } from "@zero-trust/testkit";

/** What became of a connection. */
export interface TlsSession {
  /** Whether the server spoke HTTP/2: TLS 1.3 refuses a client only after the client's own handshake is done. */
  readonly status: "OK" | "UNAVAILABLE";
  /** What the server gave to resume the session with, if it did. */
  readonly ticket: Buffer | undefined;
}

/** Connects to a port of this machine with a certificate, and with the ticket of an earlier session where there is one. */
export function openTlsSession(
  port: number,
  { cert, key }: Pick<IssuedCertificate, "cert" | "key">,
  session?: Buffer,
): Promise<TlsSession> {
  return new Promise((resolve) => {
    let ticket: Buffer | undefined;
    const resumed = session === undefined ? {} : { session };
    const options = {
      host: "127.0.0.1",
      port,
      servername: "attacked",
      ALPNProtocols: ["h2"],
      rejectUnauthorized: false,
    };
    const socket = connect({ ...options, cert, key, ...resumed }, () => {
      socket.write(Buffer.concat([connectionPreface, settingsFrame()]));
    });
    socket.on("session", (given) => {
      ticket = given;
    });
    // Tickets come before anything else that the server says.
    socket.once("data", () => {
      resolve({ status: "OK", ticket });
      socket.destroy();
    });
    // A reset is what is looked for.
    socket.on("error", () => undefined);
    socket.once("close", () => resolve({ status: "UNAVAILABLE", ticket }));
  });
}
