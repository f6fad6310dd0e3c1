import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type ChannelInterface,
  Client,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { PingRequestSchema } from "@zero-trust/testkit";
import { reasonOf } from "../src/refusal.ts";

export const pingPath = "/zerotrust.testkit.v1.PingService/Ping";

/** Where calls go: `connect(…)`, or mutual TLS alone. */
export interface Channels {
  channel(): ChannelInterface;
  readonly target: string;
}

export function pingBytes(init: MessageInitShape<typeof PingRequestSchema> = { text: "hello" }): Buffer {
  return Buffer.from(toBinary(PingRequestSchema, create(PingRequestSchema, init)));
}

export interface RawPing {
  readonly path?: string;
  readonly message?: Buffer;
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  readonly options?: CallOptions;
}

/** A grpc-js client over the channels of a test. */
export function clientOf(channels: Channels): Client {
  return new Client(channels.target, credentials.createInsecure(), { channelOverride: channels.channel() });
}

/** Sends bytes and tells what came of it: `OK`, or code and reason: `UNAUTHENTICATED CREDENTIAL_MISSING`. */
export async function ping(
  channels: Channels,
  { path = pingPath, message = pingBytes(), metadata = {}, options = {} }: RawPing = {},
): Promise<string> {
  const headers = new Metadata();
  for (const [key, value] of Object.entries(metadata)) {
    for (const one of typeof value === "string" ? [value] : value) headers.add(key, one);
  }
  const bytes = (value: Buffer) => value;
  const { promise, resolve } = Promise.withResolvers<string>();
  const answered = (error: ServiceError | null) => resolve(error === null ? "OK" : outcomeOf(error));
  clientOf(channels).makeUnaryRequest(
    path,
    bytes,
    bytes,
    message,
    headers,
    { deadline: Date.now() + 10_000, ...options },
    answered,
  );
  return promise;
}

export function outcomeOf(error: Pick<ServiceError, "code" | "metadata">): string {
  const reason = reasonOf(error);
  return reason === undefined ? `${status[error.code]}` : `${status[error.code]} ${reason}`;
}
