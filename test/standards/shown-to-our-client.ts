import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { dnsName, httpsAgent } from "@zero-trust/mtls";
import { ourselves } from "./ourselves.ts";
import { NotPresentable } from "./rekeyable-certificate.ts";
import type { RekeyedChain } from "./rekeyed-chain.ts";

/** How deep a chain may be is an option of ours, and not what the cases are about. */
const MAX_INTERMEDIATES = 20;
/** What takes longer says nothing. */
const PATIENCE_MS = 30_000;

/**
 * Lets our client meet a server with this chain.
 *
 * @param name - the host that the client is told to reach
 * @returns why it does not speak to it; undefined when it does
 * @throws {TlsIdentityError} when its roots are none
 * @throws {NotPresentable} when the chain cannot be served
 */
export async function shownToOurClient(chain: RekeyedChain, name: string): Promise<string | undefined> {
  const identity = await ourselves(chain.trusted);
  const server = serverOf(chain);
  const agent = httpsAgent({ identity, serverId: dnsName(name), maxIntermediates: MAX_INTERMEDIATES });
  try {
    const port = await new Promise<number>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
    });
    return await new Promise((resolve, reject) => {
      const call = request({ agent, host: "127.0.0.1", port, timeout: PATIENCE_MS }, (response) => {
        response.resume();
        resolve(undefined);
      });
      call.once("timeout", () => {
        call.destroy();
        reject(new NotPresentable("nothing came of it in time"));
      });
      call.once("error", (error) => resolve("code" in error ? String(error.code) : error.message));
      call.end();
    });
  } finally {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  }
}

function serverOf({ leaf, untrusted, key }: RekeyedChain): ReturnType<typeof createServer> {
  try {
    return createServer({ cert: [leaf, ...untrusted].join(""), key }, (_request, response) => response.end());
  } catch (error) {
    throw new NotPresentable(`Node does not serve it: ${error instanceof Error ? error.message : String(error)}`);
  }
}
