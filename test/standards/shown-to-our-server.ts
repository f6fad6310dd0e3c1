import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";
import { Server } from "@grpc/grpc-js";
import { dnsSan, mutualTlsServer, PeerError, parsePeer } from "@zero-trust/mtls";
import { ourselves } from "./ourselves.ts";
import { NotPresentable } from "./rekeyable-certificate.ts";
import type { RekeyedChain } from "./rekeyed-chain.ts";

/**
 * Lets a client with this chain call at the door of our server, and asks who it is, by `dnsSan()`.
 *
 * @param name - the DNS name that it should have
 * @returns why it is not let in; undefined when it is
 * @throws {TlsIdentityError} when its roots are none
 * @throws {NotPresentable} when the chain cannot be shown
 */
export async function shownToOurServer(chain: RekeyedChain, name: string): Promise<string | undefined> {
  let refused: (cause: string) => void = () => undefined;
  const refusal = new Promise<string>((resolve) => {
    refused = resolve;
  });
  const identity = await ourselves(chain.trusted);
  const door = mutualTlsServer({
    identity,
    server: new Server(),
    onRefused: ({ cause }) => refused(cause),
    drainMs: 0,
  });
  const port = await door.listen({ host: "127.0.0.1", port: 0 });
  const client = clientOf(chain, port);
  try {
    client.on("error", () => undefined);
    // Its settings are the first that an HTTP/2 server says, and it says them to those alone whom it has let in.
    const welcome = new Promise<undefined>((resolve) => client.once("data", () => resolve(undefined)));
    return (await Promise.race([refusal, welcome])) ?? complaintOf(chain.leaf, name);
  } finally {
    client.destroy();
    await door.close();
  }
}

function clientOf({ leaf, untrusted, key }: RekeyedChain, port: number): ReturnType<typeof connect> {
  const cert = [leaf, ...untrusted].join("");
  try {
    return connect({ host: "127.0.0.1", port, cert, key, ALPNProtocols: ["h2"], rejectUnauthorized: false });
  } catch (error) {
    throw new NotPresentable(`Node does not show it: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What is wrong with the certificate as that of a workload, which is asked for each call. */
function complaintOf(leaf: string, name: string): string | undefined {
  const [workload = "", ...domain] = name.split(".");
  const trustDomain = domain.join(".");
  try {
    const { spiffeId } = parsePeer(new X509Certificate(leaf).raw, dnsSan(trustDomain));
    return spiffeId === `spiffe://${trustDomain}/${workload}` ? undefined : "it is another workload";
  } catch (error) {
    if (error instanceof PeerError) return error.message;
    throw error;
  }
}
