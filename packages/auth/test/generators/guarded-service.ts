import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import {
  type MethodDefinition,
  Server,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { identityFromMemory, mutualTlsServer } from "@zero-trust/mtls";
import type { TestCa } from "@zero-trust/testkit";
import type { DecisionEvent } from "../../src/decision-event.ts";
import { type Identity, identityOf } from "../../src/identity.ts";
import { type ProtectOptions, protect } from "../../src/protect.ts";
import { wireBytes } from "../../src/wire-bytes.ts";
import { idOf } from "../ping-server.ts";
import type { Fields } from "./generator.ts";

/** A call that reached its handler. */
export interface Handled {
  readonly path: string;
  readonly identity: Identity;
  readonly metadataKeys: readonly string[];
  readonly requests: readonly Fields[];
}

/** A server of services that any generator made, behind `protect()`, and what came through. */
export interface GuardedService extends AsyncDisposable {
  readonly target: string;
  readonly port: number;
  readonly handled: Handled[];
  readonly events: DecisionEvent[];
  /** How many messages were read by the generator's code. */
  readonly decoded: number;
  /** How many bytes came over all connections. */
  readonly bytesReceived: number;
}

/** Starts a server; what it answers is the same whatever generated the definitions. */
export async function startGuardedService(
  ca: TestCa,
  definitions: readonly ServiceDefinition[],
  options: Omit<ProtectOptions, "trustDomain" | "onDecision">,
): Promise<GuardedService> {
  const handled: Handled[] = [];
  const events: DecisionEvent[] = [];
  let decoded = 0;
  const guard = protect({
    trustDomain: "production.internal",
    onDecision: (event) => void events.push(event),
    // A machine that is busy is not what these tests are about.
    decisionTimeoutMs: 10_000,
    ...options,
  });
  const server = new Server({ interceptors: [guard] });
  const counting = (method: MethodDefinition<unknown, unknown>): MethodDefinition<unknown, unknown> => ({
    ...method,
    requestDeserialize(bytes) {
      decoded += 1;
      return method.requestDeserialize(bytes);
    },
  });
  for (const definition of definitions) {
    const counted = Object.fromEntries(Object.entries(definition).map(([name, method]) => [name, counting(method)]));
    server.addService(wireBytes(counted), handlersOf(definition, handled));
  }
  const identity = identityFromMemory(await ca.issue({ spiffeId: idOf("ping-service") }));
  const listener = mutualTlsServer({ identity, server, drainMs: 0 });
  const sockets: Socket[] = [];
  const onSocket = (message: unknown) => void sockets.push((message as { readonly socket: Socket }).socket);
  subscribe("net.server.socket", onSocket);
  const port = await listener.listen({ host: "127.0.0.1", port: 0 });
  return {
    target: `127.0.0.1:${port}`,
    port,
    handled,
    events,
    get decoded() {
      return decoded;
    },
    get bytesReceived() {
      return sockets.filter(({ localPort }) => localPort === port).reduce((sum, { bytesRead }) => sum + bytesRead, 0);
    },
    async [Symbol.asyncDispose]() {
      unsubscribe("net.server.socket", onSocket);
      await listener.close();
      server.forceShutdown();
    },
  };
}

/** Whatever a caller who makes up messages asks for. */
const maxAnswers = 100;

type Call =
  | ServerUnaryCall<Fields, Fields>
  | ServerWritableStream<Fields, Fields>
  | ServerReadableStream<Fields, Fields>
  | ServerDuplexStream<Fields, Fields>;

function handlersOf(definition: ServiceDefinition, handled: Handled[]): UntypedServiceImplementation {
  const handlers = Object.entries(definition).map(([name, { path, requestStream, responseStream }]) => {
    const note = (call: Call, requests: readonly Fields[]) => {
      const metadataKeys = Object.keys(call.metadata.getMap());
      handled.push({ path, identity: identityOf(call.metadata), metadataKeys, requests });
    };
    const unary = (call: ServerUnaryCall<Fields, Fields>, callback: sendUnaryData<Fields>) => {
      note(call, [call.request]);
      const { text = "", labels = {} } = call.request;
      callback(null, path.endsWith("/Label") ? { count: Object.keys(labels).length } : { text });
    };
    const many = (call: ServerWritableStream<Fields, Fields>) => {
      note(call, [call.request]);
      const { text = "", count = 0 } = call.request;
      for (let index = 0; index < Math.min(count, maxAnswers); index += 1) call.write({ text, index });
      call.end();
    };
    const sum = (call: ServerReadableStream<Fields, Fields>, callback: sendUnaryData<Fields>) => {
      const requests: Fields[] = [];
      call.on("data", (request: Fields) => requests.push(request));
      call.on("end", () => {
        note(call, requests);
        callback(null, { sum: requests.reduce((total, { value = 0 }) => total + value, 0), count: requests.length });
      });
    };
    const each = (call: ServerDuplexStream<Fields, Fields>) => {
      const requests: Fields[] = [];
      note(call, requests);
      call.on("data", (request: Fields) => {
        requests.push(request);
        call.write({ text: request.text ?? "" });
      });
      call.on("end", () => call.end());
    };
    const streaming = requestStream ? (responseStream ? each : sum) : responseStream ? many : unary;
    return [name, streaming];
  });
  return Object.fromEntries(handlers) as UntypedServiceImplementation;
}
