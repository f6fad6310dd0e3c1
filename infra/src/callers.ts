import {
  type AuthenticatedChannels,
  bearer,
  clientCredentials,
  connect,
  type TokenSource,
} from "@zero-trust/auth/client";
import {
  type DirectoryIdentity,
  httpsAgent,
  identityFromDirectory,
  type MutualTlsChannels,
  type MutualTlsChannelsOptions,
  mutualTlsChannels,
} from "@zero-trust/mtls";
import type { Deployment } from "./deployment.ts";
import { audiences, spiffeIdOf, type Workload } from "./names.ts";

/** A deployment whose services are reached on loopback. */
export interface RunningServices {
  readonly deployment: Deployment;
  readonly issuer: { readonly port: number };
  readonly payment: { readonly port: number };
  readonly order: { readonly port: number };
  /** All of each, where there are several. */
  readonly payments?: readonly { readonly port: number }[];
  readonly orders?: readonly { readonly port: number }[];
}

const identities = new WeakMap<RunningServices, Map<Workload, DirectoryIdentity>>();

/** One for the channels and the tokens of a workload, so that a token is bound to the certificate that it is shown with. */
function identityOf(stack: RunningServices, workload: Workload): DirectoryIdentity {
  const known = identities.get(stack) ?? new Map<Workload, DirectoryIdentity>();
  identities.set(stack, known);
  const identity = known.get(workload) ?? identityFromDirectory(stack.deployment.tlsFolder(workload));
  known.set(workload, identity);
  return identity;
}

/** As whom calls have been made to the stack from this process, each of which follows its files. */
export function callersOf(stack: RunningServices): ReadonlyMap<Workload, DirectoryIdentity> {
  return identities.get(stack) ?? new Map();
}

/** The way from one workload to one service of the stack, to all of it where there are several. */
export function channelsTo(
  stack: RunningServices,
  from: Workload,
  service: "order" | "payment",
  channelOptions: NonNullable<MutualTlsChannelsOptions["channelOptions"]> = {},
): MutualTlsChannels {
  const servers = stack[`${service}s`] ?? [stack[service]];
  return mutualTlsChannels({
    identity: identityOf(stack, from),
    target: servers.map(({ port }) => `127.0.0.1:${port}`),
    serverId: spiffeIdOf(`${service}-service`),
    channelOptions,
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
