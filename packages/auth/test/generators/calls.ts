import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { type Channels, outcomeOf } from "../ping-client.ts";
import type { Fields } from "./generator.ts";

/** A call of one kind, and what it is answered. */
export interface PingCall {
  readonly kind: string;
  /** Of the path. */
  readonly method: string;
  readonly requests: readonly Fields[];
  readonly answers: readonly Fields[];
  /** Whether one signature can cover its request. */
  readonly signable: boolean;
}

/** A call of each kind. */
export const pingCalls: readonly PingCall[] = [
  { kind: "unary", method: "Ping", requests: [{ text: "é" }], answers: [{ text: "é" }], signable: true },
  {
    kind: "server stream",
    method: "PingMany",
    requests: [{ text: "a", count: 2 }],
    answers: [
      { text: "a", index: 0 },
      { text: "a", index: 1 },
    ],
    signable: true,
  },
  {
    kind: "client stream",
    method: "PingSum",
    requests: [{ value: 7 }, { value: -9 }],
    answers: [{ sum: -2, count: 2 }],
    signable: false,
  },
  {
    kind: "bidirectional",
    method: "PingEach",
    requests: [{ text: "a" }, { text: "b" }],
    answers: [{ text: "a" }, { text: "b" }],
    signable: false,
  },
];

/** What became of a call: `OK`, or code and reason, and the answers. */
export interface Ended {
  readonly outcome: string;
  readonly answers: readonly Fields[];
}

/** The method of a definition whose path ends with this name, whatever the generator calls it. */
export function methodOf(definition: ServiceDefinition, name: string): MethodDefinition<Fields, Fields> {
  const found = Object.values(definition).find(({ path }) => path.endsWith(`/${name}`));
  if (found === undefined) throw new Error(`There is no method ${name}.`);
  return found as MethodDefinition<Fields, Fields>;
}

/** Makes a call of any kind as the generator's client does: through the definition's own serializers. */
export function call(
  channels: Channels,
  method: MethodDefinition<Fields, Fields>,
  requests: readonly Fields[],
): Promise<Ended> {
  const { path, requestSerialize: write, responseDeserialize: read } = method;
  const client = new Client(channels.target, credentials.createInsecure(), { channelOverride: channels.channel() });
  const metadata = new Metadata();
  const options: CallOptions = { deadline: Date.now() + 10_000 };
  const [first = {}] = requests;
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const answered = (error: ServiceError | null, answer?: Fields) =>
    resolve(
      error === null
        ? { outcome: "OK", answers: answer === undefined ? [] : [answer] }
        : { outcome: outcomeOf(error), answers: [] },
    );
  const collect = (stream: ClientReadableStream<Fields> | ClientDuplexStream<Fields, Fields>) => {
    const answers: Fields[] = [];
    stream.on("data", (answer: Fields) => answers.push(answer));
    stream.on("error", (error: ServiceError) => resolve({ outcome: outcomeOf(error), answers }));
    stream.on("end", () => resolve({ outcome: "OK", answers }));
  };
  const send = (stream: ClientWritableStream<Fields>) => {
    for (const request of requests) stream.write(request);
    stream.end();
  };
  if (!method.requestStream && !method.responseStream) {
    client.makeUnaryRequest(path, write, read, first, metadata, options, answered);
  } else if (!method.requestStream) {
    collect(client.makeServerStreamRequest(path, write, read, first, metadata, options));
  } else if (method.responseStream) {
    const stream = client.makeBidiStreamRequest(path, write, read, metadata, options);
    collect(stream);
    send(stream);
  } else {
    send(client.makeClientStreamRequest(path, write, read, metadata, options, answered));
  }
  return promise;
}
