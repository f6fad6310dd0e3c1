import type { EventEmitter } from "node:events";
import { create, type DescMessage, type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  type Metadata,
  Server,
  type ServerDuplexStream,
  type ServerInterceptor,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import {
  identityFromMemory,
  type MemoryIdentity,
  type MutualTlsChannels,
  mutualTlsChannels,
  mutualTlsServer,
  type TlsMaterial,
} from "@zero-trust/mtls";
import {
  type PingEachRequest,
  type PingEachResponse,
  PingEachResponseSchema,
  type PingManyRequest,
  type PingManyResponse,
  PingManyResponseSchema,
  type PingRequest,
  type PingResponse,
  PingResponseSchema,
  PingService,
  type PingSumRequest,
  type PingSumResponse,
  PingSumResponseSchema,
  type TestCa,
} from "@zero-trust/testkit";
import type { DecisionEvent } from "../src/decision-event.ts";
import { identityOf } from "../src/identity.ts";
import type { LimitsOptions } from "../src/limits/limiter.ts";
import { type ProtectOptions, protect } from "../src/protect.ts";
import { wireBytes } from "../src/wire-bytes.ts";

const trustDomain = "production.internal";
export const idOf = (workload: string): string => `spiffe://${trustDomain}/${workload}`;

/** The definition of PingService as any generator would make it: messages in, messages out. */
export const pingDefinition: ServiceDefinition = Object.fromEntries(
  PingService.methods.map((method) => [method.name, entry(method)]),
);

function entry(method: DescMethod) {
  const encode = (schema: DescMessage) => (message: Message) => Buffer.from(toBinary(schema, message));
  const decode = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, new Uint8Array(bytes));
  return {
    path: `/${PingService.typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: encode(method.input),
    requestDeserialize: decode(method.input),
    responseSerialize: encode(method.output),
    responseDeserialize: decode(method.output),
  };
}

/** What no test uses up that is not about limits: many show wrong credentials by the thousand. */
const unreached = { perSecond: 1_000_000, burst: 1_000_000 };
export const plenty: LimitsOptions = { peer: unreached, client: unreached, failures: unreached };

/** What a test may have done wrong on purpose. */
interface Wrongs {
  /** Registers the service as any generator would, so that messages arrive decoded. */
  readonly decoded?: boolean;
  /** Lets the bidi handler throw at its first message. */
  readonly throwing?: boolean;
  /** Lets no handler end its call. */
  readonly holding?: boolean;
  /** Answers callers without an identity too. */
  readonly anonymous?: boolean;
  /** An interceptor of the service's own, behind `protect()`. */
  readonly behind?: ServerInterceptor;
}

/** What the calls of all four kinds have in common. */
type ServerSurfaceCall = EventEmitter & { readonly cancelled: boolean };

/** A server of PingService behind `protect()`, and what it saw. */
export interface PingServer extends AsyncDisposable {
  readonly events: DecisionEvent[];
  /** The texts of the pings that reached the handler. */
  readonly handled: string[];
  /** The metadata keys that the handler of the last ping saw. */
  readonly seen: string[];
  /** Who called, as the handler of each ping was told; undefined for nobody. */
  readonly identities: (string | undefined)[];
  /** The calls that run in a handler, as long as they hold. */
  readonly held: ServerSurfaceCall[];
  /** `host:port` */
  readonly target: string;
  /** How many connections the server has. */
  readonly connections: number;
  /** What the server shows and trusts. */
  readonly identity: MemoryIdentity;
  /** Channels of a workload, with a certificate of its own unless given. */
  channels(from: string, material?: TlsMaterial): Promise<MutualTlsChannels>;
}

export async function startPingServer(
  ca: TestCa,
  options: Omit<ProtectOptions, "trustDomain" | "onDecision"> & Partial<ProtectOptions> & Wrongs,
): Promise<PingServer> {
  const events: DecisionEvent[] = [];
  const handled: string[] = [];
  const seen: string[] = [];
  const held: ServerSurfaceCall[] = [];
  const identities: (string | undefined)[] = [];
  const clientOf = (metadata: Metadata): string | undefined => {
    try {
      return identityOf(metadata).client;
    } catch (error) {
      if (options.anonymous === true) return undefined;
      throw error;
    }
  };
  const isHeld = (call: ServerSurfaceCall): boolean => {
    if (options.holding !== true) return false;
    held.push(call);
    // As if nothing had happened.
    call.once("cancelled", () => call.emit("error", { code: status.OK, details: "late" }));
    return true;
  };
  const onDecision = (event: DecisionEvent) => void events.push(event);
  const guard = protect({ trustDomain, onDecision, limits: plenty, ...options });
  const server = new Server({ interceptors: [guard, ...(options.behind === undefined ? [] : [options.behind])] });
  const handlers = {
    Ping: (call: ServerUnaryCall<PingRequest, PingResponse>, callback: sendUnaryData<PingResponse>) => {
      handled.push(call.request.text);
      seen.splice(0, seen.length, ...Object.keys(call.metadata.getMap()));
      if (isHeld(call)) return;
      const client = clientOf(call.metadata);
      identities.push(client);
      callback(null, create(PingResponseSchema, { text: call.request.text, client: client ?? "" }));
    },
    PingMany: (call: ServerWritableStream<PingManyRequest, PingManyResponse>) => {
      if (isHeld(call)) {
        // More than the window of a caller who does not read.
        call.write(create(PingManyResponseSchema, { text: call.request.text.repeat(9_000) }));
        return;
      }
      for (let index = 0; index < call.request.count; index += 1) {
        call.write(create(PingManyResponseSchema, { text: call.request.text, index }));
      }
      call.end();
    },
    PingSum: (
      call: ServerReadableStream<PingSumRequest, PingSumResponse>,
      callback: sendUnaryData<PingSumResponse>,
    ) => {
      if (isHeld(call)) return;
      let count = 0;
      call.on("data", () => {
        count += 1;
      });
      call.on("end", () => callback(null, create(PingSumResponseSchema, { count })));
    },
    PingEach: (call: ServerDuplexStream<PingEachRequest, PingEachResponse>) => {
      if (isHeld(call)) {
        const answer = create(PingEachResponseSchema, { text: "hello" });
        call.write(answer);
        call.prependOnceListener("cancelled", () => call.write(answer));
        return;
      }
      call.on("data", ({ text }: PingEachRequest) => {
        if (options.throwing === true) throw new Error("a handler's defect");
        call.write(create(PingEachResponseSchema, { text }));
      });
      call.on("end", () => call.end());
    },
  } satisfies UntypedServiceImplementation;
  server.addService(options.decoded === true ? pingDefinition : wireBytes(pingDefinition), handlers);
  const identity = identityFromMemory(await ca.issue({ spiffeId: idOf("ping-service") }));
  const listener = mutualTlsServer({ identity, server });
  const port = await listener.listen({ host: "127.0.0.1", port: 0 });
  const open: MutualTlsChannels[] = [];
  return {
    events,
    handled,
    seen,
    identities,
    held,
    target: `127.0.0.1:${port}`,
    identity,
    get connections() {
      return listener.connections;
    },
    async channels(from, material) {
      const channels = mutualTlsChannels({
        identity: identityFromMemory(material ?? (await ca.issue({ spiffeId: idOf(from) }))),
        target: `127.0.0.1:${port}`,
        serverId: idOf("ping-service"),
      });
      open.push(channels);
      return channels;
    },
    async [Symbol.asyncDispose]() {
      for (const channels of open) channels.close();
      await listener.close();
      server.forceShutdown();
    },
  };
}
