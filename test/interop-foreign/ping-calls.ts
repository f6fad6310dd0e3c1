import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary, toJson } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  PingEachRequestSchema,
  PingEachResponseSchema,
  PingManyRequestSchema,
  PingManyResponseSchema,
  PingRequestSchema,
  PingResponseSchema,
  PingSumRequestSchema,
  PingSumResponseSchema,
} from "@zero-trust/testkit";

/** A call of one kind, with the answers that it gets. */
export interface PingCall {
  readonly kind: string;
  readonly method: string;
  readonly requests: readonly Uint8Array[];
  /** In JSON, as they are compared. */
  readonly responses: readonly unknown[];
  readonly read: (response: string) => unknown;
}

/** A call of each kind. */
export const pingCalls: readonly [PingCall, ...PingCall[]] = [
  pingCall("unary", "Ping", {
    input: PingRequestSchema,
    output: PingResponseSchema,
    requests: [{ text: "é" }],
    responses: [{ text: "é" }],
  }),
  pingCall("server stream", "PingMany", {
    input: PingManyRequestSchema,
    output: PingManyResponseSchema,
    requests: [{ text: "a", count: 3 }],
    responses: [{ text: "a" }, { text: "a", index: 1 }, { text: "a", index: 2 }],
  }),
  pingCall("client stream", "PingSum", {
    input: PingSumRequestSchema,
    output: PingSumResponseSchema,
    requests: [{ value: 7 }, { value: -9 }, { value: 1 }],
    responses: [{ sum: "-1", count: 3 }],
  }),
  pingCall("bidirectional", "PingEach", {
    input: PingEachRequestSchema,
    output: PingEachResponseSchema,
    requests: [{ text: "a" }, { text: "b" }, { text: "c" }],
    responses: [{ text: "a" }, { text: "b" }, { text: "c" }],
  }),
];

interface Messages<I extends DescMessage> {
  readonly input: I;
  readonly output: DescMessage;
  readonly requests: readonly MessageInitShape<I>[];
  readonly responses: readonly unknown[];
}

function pingCall<I extends DescMessage>(kind: string, method: string, messages: Messages<I>): PingCall {
  const { input, output, responses } = messages;
  return {
    kind,
    method,
    requests: messages.requests.map((request) => toBinary(input, create(input, request))),
    responses,
    read: (response) => toJson(output, fromBinary(output, Buffer.from(response, "base64"))),
  };
}

/** A message with zeros in a field that nobody knows, which makes it as long as one likes in any of the kinds. */
export function padded(message: Uint8Array, bytes: number): Uint8Array {
  const writer = new BinaryWriter().raw(message);
  return writer.tag(1000, WireType.LengthDelimited).bytes(new Uint8Array(bytes)).finish();
}
