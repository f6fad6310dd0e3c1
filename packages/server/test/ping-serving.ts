import type * as grpc from "@grpc/grpc-js";
import { Credential, definePolicy, type ServicePolicy } from "@zero-trust/auth";
import { type GrantSource, parseGrants } from "@zero-trust/auth/server";
import { identityFromMemory, type MutualTlsChannels, mutualTlsChannels, type TlsMaterial } from "@zero-trust/mtls";
import { type Client, createClient, RpcError } from "@zero-trust/rpc";
import { createCa, PingService, pingHandlers, type TestCa } from "@zero-trust/testkit";
import { expect } from "vitest";
import { createLog } from "../src/log.ts";
import { type ServeOptions, type Serving, serve } from "../src/serve.ts";
import { type ServiceEntry, service } from "../src/service.ts";

const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const grants: GrantSource = {
  current: () =>
    parseGrants({
      grants: [{ spiffeId: "spiffe://production.internal/caller", client: "caller", scopes: ["read:test"] }],
    }),
};

/** Who may call, as the caller that the deployment knows. */
export const pingProtect: ServeOptions["protect"] = { trustDomain: "production.internal", grants, credentials: [] };

/** Whoever a certificate lets in may call. */
export const pingPolicy: ServicePolicy = definePolicy(PingService, {
  ping: rules,
  pingMany: rules,
  pingSum: rules,
  pingEach: rules,
});

/** A trust domain: a server, a caller that it grants, and a stranger that it does not. */
export interface TrustDomain {
  readonly ca: TestCa;
  readonly server: TlsMaterial;
  readonly caller: TlsMaterial;
  readonly stranger: TlsMaterial;
}

export async function createTrustDomain(): Promise<TrustDomain> {
  const ca = await createCa();
  const workload = (name: string) => ca.issue({ spiffeId: `spiffe://production.internal/${name}` });
  const [server, caller, stranger] = await Promise.all([workload("ping"), workload("caller"), workload("stranger")]);
  return { ca, server, caller, stranger };
}

/** A served ping service, with its log; closed when it is disposed of, and the channels to it too. */
export interface PingServing extends Serving, AsyncDisposable {
  /** What it was started with. */
  readonly options: ServeOptions;
  readonly lines: readonly string[];
  /** The records of one log: "decision", "connection", "lifecycle". */
  records(log: string): Record<string, unknown>[];
  channels(material?: TlsMaterial, channelOptions?: grpc.ChannelOptions): MutualTlsChannels;
  ping(material?: TlsMaterial): Client<typeof PingService>;
  /** What the handler of Ping for the text "wait" has come to, and what lets it end. */
  readonly waiting: { readonly begun: Promise<void>; release(): void };
}

/** Ping for the text "throw" throws, for "wait" waits, and otherwise answers. */
export async function servePing(
  { server, caller }: TrustDomain,
  options: Partial<ServeOptions> = {},
): Promise<PingServing> {
  const lines: string[] = [];
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const handlers = pingHandlers<grpc.Metadata>();
  const ping: ServiceEntry = service(
    PingService,
    {
      ...handlers,
      async ping(request, context) {
        if (request.text === "throw") throw new Error("canary");
        if (request.text === "wait") {
          begun.resolve();
          await released.promise;
        }
        return handlers.ping(request, context);
      },
    },
    { policy: pingPolicy },
  );
  const whole: ServeOptions = {
    log: createLog({ name: "ping", destination: { write: (line) => lines.push(line) } }),
    identity: identityFromMemory(server),
    host: "127.0.0.1",
    port: 0,
    protect: pingProtect,
    services: [ping],
    ...options,
  };
  const serving = await serve(whole);
  const opened: MutualTlsChannels[] = [];
  const channels = (material: TlsMaterial = caller, channelOptions: grpc.ChannelOptions = {}): MutualTlsChannels => {
    const made = mutualTlsChannels({
      identity: identityFromMemory(material),
      target: `127.0.0.1:${serving.port}`,
      serverId: "spiffe://production.internal/ping",
      channelOptions,
    });
    opened.push(made);
    return made;
  };
  return {
    ...serving,
    options: whole,
    lines,
    records: (log) =>
      lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((each) => each["log"] === log),
    channels,
    ping: (material) => createClient(PingService, channels(material)),
    waiting: { begun: begun.promise, release: () => released.resolve() },
    async [Symbol.asyncDispose]() {
      for (const each of opened) each.close();
      released.resolve();
      await serving.close();
    },
  };
}

/** What a call failed with; it is a failure that it did not. */
export async function failureOf(call: Promise<unknown>): Promise<RpcError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RpcError);
  return error as RpcError;
}
