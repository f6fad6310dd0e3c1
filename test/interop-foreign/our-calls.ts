import type { CallOptions, Client } from "@zero-trust/rpc";
import type { PingService } from "@zero-trust/testkit";

type PingClient = Client<typeof PingService>;

/** A call of one kind by our client, with the answers that it gets. */
export interface OurCall {
  readonly kind: string;
  readonly make: (client: PingClient, options: CallOptions) => AsyncIterable<object>;
  readonly responses: readonly Readonly<Record<string, unknown>>[];
}

const three = [{ text: "a" }, { text: "b" }, { text: "c" }];
const counted = [0, 1, 2].map((index) => ({ text: "a", index }));

/** A call of each kind. */
export const ourCalls: readonly [OurCall, ...OurCall[]] = [
  {
    kind: "unary",
    async *make(client, options): AsyncGenerator<object> {
      yield await client.ping({ text: "é" }, options);
    },
    responses: [{ text: "é" }],
  },
  {
    kind: "server stream",
    make: (client, options) => client.pingMany({ text: "a", count: 3 }, options),
    responses: counted,
  },
  {
    kind: "client stream",
    async *make(client, options): AsyncGenerator<object> {
      yield await client.pingSum(each([{ value: 7 }, { value: -9 }, { value: 1 }]), options);
    },
    responses: [{ sum: -1n, count: 3 }],
  },
  {
    kind: "bidirectional",
    make: (client, options) => client.pingEach(each(three), options),
    responses: three,
  },
];

async function* each<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}
