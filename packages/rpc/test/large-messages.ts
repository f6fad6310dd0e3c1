import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { PingSumRequestSchema } from "@zero-trust/testkit";

/** A message of at least so many bytes: a field that nobody knows makes it as large as one likes. */
export function padded<D extends DescMessage>(
  schema: D,
  init: MessageInitShape<D> | undefined,
  bytes: number,
): MessageShape<D> {
  const message = create(schema, init);
  const data = new BinaryWriter().bytes(new Uint8Array(bytes)).finish();
  message.$unknown = [{ no: 99, wireType: WireType.LengthDelimited, data }];
  return message;
}

/** Messages of the given sizes. */
export async function* paddedAll<D extends DescMessage>(
  schema: D,
  sizes: AsyncIterable<number>,
): AsyncGenerator<MessageShape<D>, void, undefined> {
  for await (const bytes of sizes) yield padded(schema, undefined, bytes);
}

/** Messages without end, which tell how many were taken and when nobody wants more. */
export interface Endless<T> {
  readonly requests: AsyncGenerator<T, void, undefined>;
  readonly taken: () => number;
  readonly closed: Promise<void>;
}

/** The same message again and again. */
export function endless<T>(message: T): Endless<T> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  let taken = 0;
  async function* generate(): AsyncGenerator<T, void, undefined> {
    try {
      for (; taken < 1_000_000; taken += 1) yield message;
    } finally {
      resolve();
    }
  }
  return { requests: generate(), taken: () => taken, closed };
}

/** Requests of 64 KiB for PingSum. */
export function largeSums(): Endless<MessageInitShape<typeof PingSumRequestSchema>> {
  return endless(padded(PingSumRequestSchema, { value: 1 }, 64 * 1024));
}
