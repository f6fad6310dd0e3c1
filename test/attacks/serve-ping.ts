import { join } from "node:path";
import { Credential, definePolicy } from "@zero-trust/auth";
import type { Verifier } from "@zero-trust/auth/server";
import { grantsFile } from "@zero-trust/auth/stores/file";
import { trustDomain } from "@zero-trust/infra/names";
import { identityFromDirectory } from "@zero-trust/mtls";
import { createLog, serve, service } from "@zero-trust/server";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import type { Stack } from "../stack/stack.ts";

/** A service of the test's own. */
export interface ServingPing extends AsyncDisposable {
  readonly port: number;
  /** What it has logged, line by line. */
  readonly log: readonly string[];
}

/**
 * Serves PingService here, with payment's certificate and grants, and one verifier: for what payment does not do while it is
 * attacked, such as having a key store that is down, or having run for an hour. Ping and PingMany take that credential, with the scope
 * `read:transactions`.
 */
export async function servePing({ deployment }: Stack, verifier: Verifier): Promise<ServingPing> {
  await using opened = new AsyncDisposableStack();
  const grants = opened.adopt(grantsFile(join(deployment.folder, "payment/grants.json")), (it) => it.close());
  const identity = identityFromDirectory(deployment.tlsFolder("payment-service"));
  opened.defer(() => identity.close());
  const log: string[] = [];
  const rules = (credential: Credential) => [{ credentials: [credential], scopes: ["read:transactions"] }];
  const shown = rules(verifier.credential);
  // A stream of requests cannot be signed.
  const streamed = rules(Credential.MTLS);
  const policy = definePolicy(PingService, { ping: shown, pingMany: shown, pingSum: streamed, pingEach: streamed });
  const serving = await serve({
    log: createLog({ name: "ping", destination: { write: (line) => void log.push(line) } }),
    identity,
    host: "127.0.0.1",
    port: 0,
    protect: { trustDomain, grants, credentials: [verifier] },
    services: [service(PingService, pingHandlers(), { policy })],
  });
  opened.defer(() => serving.close());
  const running = opened.move();
  return { port: serving.port, log, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
