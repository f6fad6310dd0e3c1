import {
  type AuthenticatedChannels,
  bearer,
  clientCredentials,
  connect,
  type TokenSource,
} from "@zero-trust/auth/client";
import {
  httpsAgent,
  identityFromDirectory,
  type MutualTlsChannels,
  mutualTlsChannels,
  type TlsIdentity,
} from "@zero-trust/mtls";
import type { Deployment } from "./deployment.ts";
import { audiences, spiffeIdOf, type Workload } from "./names.ts";

/** A deployment whose services are reached on loopback. */
export interface RunningServices {
  readonly deployment: Deployment;
  readonly issuer: { readonly port: number };
  readonly payment: { readonly port: number };
  readonly order: { readonly port: number };
}

const identities = new WeakMap<RunningServices, Map<Workload, TlsIdentity>>();

/** One for the channels and the tokens of a workload, so that a token is bound to the certificate that it is shown with. */
function identityOf(stack: RunningServices, workload: Workload): TlsIdentity {
  const known = identities.get(stack) ?? new Map<Workload, TlsIdentity>();
  identities.set(stack, known);
  const identity = known.get(workload) ?? identityFromDirectory(stack.deployment.tlsFolder(workload));
  known.set(workload, identity);
  return identity;
}

/** The way from one workload to one service of the stack. */
export function channelsTo(stack: RunningServices, from: Workload, service: "order" | "payment"): MutualTlsChannels {
  return mutualTlsChannels({
    identity: identityOf(stack, from),
    target: `127.0.0.1:${stack[service].port}`,
    serverId: spiffeIdOf(`${service}-service`),
  });
}

/** Gets tokens for a client of the issuer: by its certificate, and by its secret where it has one. */
export function tokensOf(
  stack: RunningServices,
  client: Workload,
  service: "order" | "payment",
  scopes: readonly string[],
): TokenSource {
  const identity = identityOf(stack, client);
  return clientCredentials({
    tokenEndpoint: new URL(`https://127.0.0.1:${stack.issuer.port}/oauth/token`),
    agent: httpsAgent({ identity, serverId: spiffeIdOf("issuer") }),
    clientId: client,
    ...(client === "partner" ? { clientSecret: stack.deployment.partnerSecret } : {}),
    audience: audiences[service],
    scopes,
  });
}

/** A source of one token that never changes: stolen, expired, forged, or kept for comparison. */
export function fixedToken(token: string): TokenSource {
  return { token: async () => token };
}

/** Channels that present a token. */
export function withToken(channels: MutualTlsChannels, tokens: TokenSource): AuthenticatedChannels {
  return connect({ channels, credentials: [bearer({ tokens })] });
}
