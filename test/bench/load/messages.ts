import { create, toBinary } from "@bufbuild/protobuf";
import {
  PingEachRequestSchema,
  PingEachResponseSchema,
  PingManyRequestSchema,
  PingManyResponseSchema,
  PingRequestSchema,
  PingResponseSchema,
  PingService,
  PingSumRequestSchema,
  PingSumResponseSchema,
} from "@zero-trust/testkit";
import type { Method } from "./orders.ts";

/** How many messages a stream has. */
const STREAMED = 10;

/** A call's messages: what goes out, and how long what comes back has to be. */
export interface Messages {
  readonly path: string;
  /** Framed as gRPC does, all that the client sends. */
  readonly frames: Buffer;
  /** The first message without its frame: what a signature covers. */
  readonly first: Buffer;
  /** Bytes of the answer, frames included. */
  readonly answerBytes: number;
}

/** The messages of a method whose text makes a request of this size, where it has one. */
export function messagesOf(method: Method, bodyBytes: number): Messages {
  const path = `/${PingService.typeName}/${PingService.method[method].name}`;
  const { requests, answers } = makers[method](bodyBytes);
  const framed = requests.map(frame);
  return {
    path,
    frames: Buffer.concat(framed),
    first: framed[0]?.subarray(5) ?? Buffer.alloc(0),
    answerBytes: answers.reduce((sum, answer) => sum + answer.length + 5, 0),
  };
}

interface Made {
  readonly requests: readonly Uint8Array[];
  readonly answers: readonly Uint8Array[];
}

const many = <T>(make: (index: number) => T): T[] => Array.from({ length: STREAMED }, (_, index) => make(index));

const makers: Readonly<Record<Method, (bodyBytes: number) => Made>> = {
  ping(bodyBytes) {
    const text = textOf(bodyBytes);
    return {
      requests: [toBinary(PingRequestSchema, create(PingRequestSchema, { text }))],
      answers: [toBinary(PingResponseSchema, create(PingResponseSchema, { text }))],
    };
  },
  pingMany(bodyBytes) {
    const text = textOf(bodyBytes);
    const answer = (index: number) => toBinary(PingManyResponseSchema, create(PingManyResponseSchema, { text, index }));
    return {
      requests: [toBinary(PingManyRequestSchema, create(PingManyRequestSchema, { text, count: STREAMED }))],
      answers: many(answer),
    };
  },
  pingSum() {
    return {
      requests: many((value) => toBinary(PingSumRequestSchema, create(PingSumRequestSchema, { value: value + 1 }))),
      answers: [toBinary(PingSumResponseSchema, create(PingSumResponseSchema, { sum: 55n, count: STREAMED }))],
    };
  },
  pingEach(bodyBytes) {
    const text = textOf(bodyBytes);
    return {
      requests: many(() => toBinary(PingEachRequestSchema, create(PingEachRequestSchema, { text }))),
      answers: many(() => toBinary(PingEachResponseSchema, create(PingEachResponseSchema, { text }))),
    };
  },
};

/** Tag and length take three bytes up to 16 383 of text, and a fourth beyond. */
function textOf(bodyBytes: number): string {
  return "x".repeat(bodyBytes - (bodyBytes > 16_386 ? 4 : 3));
}

function frame(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}
