// The program for an orchestrator's question whether a process has to be started again; importing it runs nothing.
import { once } from "node:events";
import { type ConnectionOptions, connect } from "node:tls";
import { clientTlsOptions, identityFromDirectory } from "@zero-trust/mtls";
import { probedService } from "./probed-service.ts";

/** Below what the orchestrator gives it, so that the sentence gets out. */
const TIMEOUT_MS = 5_000;

/**
 * Asks whether the process of the service that has this environment still works: whether its event loop answers a TLS handshake.
 * Nothing else counts, since starting it again mends nothing else: not a database that is away, which health says, and not
 * a certificate that has ended or is no good; with bad files in its folder a service goes on with the good ones from before, and
 * could not start.
 *
 * @param timeoutMs - how long it may take, in milliseconds; 5 s unless given
 * @throws Error with the reason when there is no answer
 */
export async function probeLife(environment: NodeJS.ProcessEnv, timeoutMs: number = TIMEOUT_MS): Promise<void> {
  const { address, tlsDirectory } = probedService(environment);
  // Who answers does not matter: nothing is said to it, and it stands behind the loopback address of this container.
  const socket = connect({
    ...shown(tlsDirectory),
    ...address,
    ALPNProtocols: ["h2", "http/1.1"],
    rejectUnauthorized: false,
  });
  const late = AbortSignal.timeout(timeoutMs);
  late.addEventListener("abort", () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  try {
    await once(socket, "secureConnect");
    // In peace, so that the service does not take it for a handshake that failed.
    socket.on("error", () => undefined).end();
    if (!socket.closed) await once(socket.resume(), "close");
  } catch (error) {
    // An alert is an answer.
    if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_SSL_")) return;
    const { message } = error instanceof Error ? error : new Error(String(error));
    throw new Error(`${address.host}:${address.port} does not answer: ${message}.`, { cause: error });
  } finally {
    socket.destroy();
  }
}

/** The service's own certificate, where it is good; whoever shows none is a refused handshake in the service's log. */
function shown(tlsDirectory: string): ConnectionOptions {
  try {
    const identity = identityFromDirectory(tlsDirectory);
    identity.close();
    return clientTlsOptions({ identity, serverId: identity.spiffeId });
  } catch {
    return {};
  }
}

if (import.meta.main) {
  try {
    await probeLife(process.env);
  } catch (error) {
    process.stderr.write(`life: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
