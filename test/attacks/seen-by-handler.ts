import type { Metadata } from "@grpc/grpc-js";
import { Credential, definePolicy } from "@zero-trust/auth";
import { spiffeIdOf, trustDomain } from "@zero-trust/infra/names";
import { identityFromDirectory } from "@zero-trust/mtls";
import { createLog, serve, service } from "@zero-trust/server";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import type { Stack } from "../stack/stack.ts";
import { callOn } from "./call.ts";

const rules = [{ credentials: [Credential.MTLS], scopes: [] }];
const policy = definePolicy(PingService, { ping: rules, pingMany: rules, pingSum: rules, pingEach: rules });
const grants = new Map([[spiffeIdOf("order-service"), { client: "order-service", scopes: new Set<string>() }]]);
const silent = createLog({ name: "ping", destination: { write: () => undefined } });

/** Sends metadata to a service whose handler answers, as none of the stack's does, what names of it reach a handler. */
export async function seenByHandler(
  stack: Stack,
  metadata: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const identity = identityFromDirectory(stack.deployment.tlsFolder("payment-service"));
  const clientOf = (seen: Metadata) => Object.keys(seen.getMap()).join(" ");
  await using opened = new AsyncDisposableStack();
  opened.defer(() => identity.close());
  const serving = await serve({
    log: silent,
    identity,
    host: "127.0.0.1",
    port: 0,
    protect: { trustDomain, grants: { current: () => grants }, credentials: [] },
    services: [service(PingService, pingHandlers({ clientOf }), { policy })],
  });
  opened.defer(() => serving.close());
  const { status, messages } = await callOn(stack, PingService.method.ping, {
    as: "order-service",
    port: serving.port,
    metadata,
  });
  const [answer] = messages;
  if (answer === undefined) throw new Error(`The handler was not reached: ${status}.`);
  return answer.client.split(" ");
}
