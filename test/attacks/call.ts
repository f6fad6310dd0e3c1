import { createSecureContext, type SecureContextOptions } from "node:tls";
import {
  create,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth";
import type { Stack } from "../stack/stack.ts";
import { type Showing, shownBy } from "./showing.ts";

/** A call of any kind, as whoever, with whatever: what an attacker sends, or a client in another language. */
export interface Call<M extends DescMethod> {
  /** The workload whose certificate is shown, or what else TLS is to be made with; nothing is shown unless given. */
  readonly as?: Showing;
  readonly message?: MessageInitShape<M["input"]>;
  /** Serialized messages, in place of `message`. */
  readonly bytes?: readonly Uint8Array[];
  /** As it goes over the wire; a list is sent as so many fields of the same name. */
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  /** In place of the method's own, `/package.Service/Method`. */
  readonly path?: string;
  /** In place of the port of the service that has the method. */
  readonly port?: number;
  /** In place of the name that the client would ask for, in TLS and in `:authority`. */
  readonly authority?: string;
  readonly timeoutMs?: number;
}

/** What is called: its certificates, and where its services are. */
export type Reached = Pick<Stack, "deployment" | "order" | "payment">;

/** What a connection is made with. */
export type Connecting = Pick<Call<DescMethod>, "as" | "port" | "authority">;

/** A connection over which calls are made; it is made anew where the service has ended it. */
export interface Connection extends Disposable {
  /** Makes one call, and gives what came of it. */
  call<M extends DescMethod>(method: M, call?: Omit<Call<M>, keyof Connecting>): Promise<Outcome<M>>;
  /** Begins one, and leaves it open. */
  open<M extends DescMethod>(method: M, call?: Omit<Call<M>, keyof Connecting>): RunningCall<M>;
}

/** What came of a call. */
export interface Outcome<M extends DescMethod = DescMethod> {
  /** The name of the status code, and of the reason where there is one: `UNAUTHENTICATED CREDENTIAL_INVALID`. */
  readonly status: string;
  /** The sentence that the server gave. */
  readonly details: string;
  readonly trailers: Metadata;
  readonly messages: readonly MessageShape<M["output"]>[];
  readonly tookMs: number;
}

/** A call that is under way. */
export interface RunningCall<M extends DescMethod> {
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  /** The messages that have come so far. */
  readonly messages: readonly MessageShape<M["output"]>[];
  readonly outcome: Promise<Outcome<M>>;
}

const timeoutMs = 30_000;
const asIs = (bytes: Buffer) => bytes;

/** The path and the bytes of a call, as they go over the wire: what a signature covers. */
export function onTheWire<M extends DescMethod>(
  method: M,
  message: MessageInitShape<M["input"]> = {} as MessageInitShape<M["input"]>,
): { readonly path: string; readonly bytes: Uint8Array } {
  const path = `/${method.parent.typeName}/${method.name}`;
  return { path, bytes: toBinary(method.input, create(method.input, message)) };
}

/** The service of a stack that has a method. */
function serviceOf(method: DescMethod): "order" | "payment" {
  return method.parent.typeName.startsWith("order.") ? "order" : "payment";
}

/** Makes one call over a connection of its own, and gives what came of it. */
export async function callOn<M extends DescMethod>(stack: Reached, method: M, call: Call<M> = {}): Promise<Outcome<M>> {
  using connection = connectionOn(stack, serviceOf(method), call);
  return await connection.call(method, call);
}

/** Begins a call over a connection of its own, whatever its kind. */
export function openCallOn<M extends DescMethod>(stack: Reached, method: M, call: Call<M> = {}): RunningCall<M> {
  const connection = connectionOn(stack, serviceOf(method), call);
  const running = connection.open(method, call);
  return { ...running, outcome: running.outcome.finally(() => connection[Symbol.dispose]()) };
}

/** Connects to a service with the first call. */
export function connectionOn(stack: Reached, service: "order" | "payment", connecting: Connecting = {}): Connection {
  const { port = stack[service].port, authority } = connecting;
  const client = new Client(
    `127.0.0.1:${port}`,
    // An attacker does not mind whom he talks to.
    credentials.createFromSecureContext(createSecureContext(secureOptions(stack, connecting)), {
      checkServerIdentity: () => undefined,
    }),
    {
      "grpc.ssl_target_name_override": authority ?? `${service}-service.production.internal`,
      ...(authority === undefined ? {} : { "grpc.default_authority": authority }),
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.enable_retries": 0,
      // Who was refused does not come again, in the midst of the next attack.
      "grpc.initial_reconnect_backoff_ms": 120_000,
    },
  );
  return {
    open: (method, call) => begin(client, method, call),
    async call(method, call) {
      const { stream, outcome } = begin(client, method, call);
      stream.end();
      return await outcome;
    },
    [Symbol.dispose]: () => client.close(),
  };
}

/** Begins a call, whatever its kind: to HTTP/2 they are all alike. */
function begin<M extends DescMethod>(client: Client, method: M, call: Call<M> = {}): RunningCall<M> {
  const { path, bytes } = onTheWire(method, call.message);
  const startMs = performance.now();
  const deadline = Date.now() + (call.timeoutMs ?? timeoutMs);
  const stream = client.makeBidiStreamRequest(call.path ?? path, asIs, asIs, metadataOf(call), { deadline });
  const messages: MessageShape<M["output"]>[] = [];
  const output: M["output"] = method.output;
  const { promise, resolve } = Promise.withResolvers<Outcome<M>>();
  const end = (said: string, details: string, trailers: Metadata) =>
    resolve({ status: said, details, trailers, messages, tookMs: performance.now() - startMs });
  stream.on("data", (message: Buffer) => messages.push(fromBinary(output, new Uint8Array(message))));
  stream.on("error", (error: ServiceError) => {
    const { code, details, metadata } = error;
    end([status[code], reasonOf({ metadata })].filter((part) => part !== undefined).join(" "), details, metadata);
  });
  stream.on("end", () => end("OK", "", new Metadata()));
  for (const each of call.bytes ?? [bytes]) stream.write(Buffer.from(each));
  return { stream, messages, outcome: promise };
}

function secureOptions(stack: Reached, { as }: Pick<Call<DescMethod>, "as">): SecureContextOptions {
  return { ca: stack.deployment.ca.ca, ...(as === undefined ? {} : shownBy(stack, as)) };
}

function metadataOf({ metadata = {} }: Pick<Call<DescMethod>, "metadata">): Metadata {
  const headers = new Metadata();
  for (const [key, value] of Object.entries(metadata)) {
    for (const each of typeof value === "string" ? [value] : value) headers.add(key, each);
  }
  return headers;
}
