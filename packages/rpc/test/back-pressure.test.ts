import { setImmediate } from "node:timers/promises";
import { PingEachRequestSchema, PingEachResponseSchema, PingManyResponseSchema } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { type Endless, endless, largeSums, padded } from "./large-messages.ts";
import { aborted, type PingServer, settled, startPing } from "./ping-server.ts";

const messageBytes = 64 * 1024;
// grpc-js reads 16 messages before it is asked to, and HTTP/2 lets 64 KiB be on their way (RFC 9113, section 6.9.2);
// what our own writer may have waiting is one message of this size. It was 17 when this was written.
const mostResponses = 24;
// A client of grpc-js also keeps up to 1 MiB of a call for another attempt. It was 30.
const mostRequests = 40;

const largeResponses = (): Endless<object> => endless(padded(PingManyResponseSchema, {}, messageBytes));
const largeAnswers = (): Endless<object> => endless(padded(PingEachResponseSchema, {}, messageBytes));
const largeQuestions = (): Endless<object> => endless(padded(PingEachRequestSchema, {}, messageBytes));

/** A call whose writer makes messages without end, and whose reader takes as many as it is let. */
interface SlowCall {
  /** How many the writer has made. */
  readonly taken: () => number;
  /** Lets the reader take some more, and returns when it has them. */
  readonly read: (messages: number) => Promise<void>;
  /** Cancels the call and returns when the writer has been closed. */
  readonly stop: () => Promise<void>;
}

/** The server writes, the client reads. */
function slowClient(answers: AsyncIterable<unknown>, { taken, closed }: Endless<unknown>): SlowCall {
  const reader = answers[Symbol.asyncIterator]();
  return {
    taken,
    async read(messages): Promise<void> {
      for (let read = 0; read < messages; read += 1) await reader.next();
    },
    async stop(): Promise<void> {
      await reader.return?.();
      await closed;
    },
  };
}

/** The client writes, the server reads: `readBy` is its handler's part. */
function slowServer({ taken, closed }: Endless<unknown>): {
  readonly signal: AbortSignal;
  readonly readBy: (requests: AsyncIterable<unknown>, signal: AbortSignal) => Promise<void>;
  readonly call: SlowCall;
} {
  const caller = new AbortController();
  const reader = Promise.withResolvers<AsyncIterator<unknown>>();
  const call: SlowCall = {
    taken,
    async read(messages): Promise<void> {
      for (let read = 0; read < messages; read += 1) await (await reader.promise).next();
    },
    async stop(): Promise<void> {
      caller.abort();
      await closed;
    },
  };
  const readBy = async (requests: AsyncIterable<unknown>, signal: AbortSignal): Promise<void> => {
    reader.resolve(requests[Symbol.asyncIterator]());
    await aborted(signal);
  };
  return { signal: caller.signal, readBy, call };
}

/** How many messages a writer has made when its reader has taken one; makes sure that it goes on when more are read. */
async function messagesAhead(server: PingServer, call: SlowCall): Promise<number> {
  await call.read(1);
  const ahead = (await settled(server, call.taken)) - 1;
  console.info(`the writer is ${ahead} messages, ${(ahead * messageBytes) / 1024} KiB, ahead of its reader`);
  await call.read(ahead + 1);
  expect(await settled(server, call.taken)).toBeGreaterThan(ahead + 1);
  await call.stop();
  return ahead;
}

describe("a slow reader bounds what its writer makes", () => {
  test("of the responses of a server stream", async () => {
    const responses = largeResponses();
    await using server = await startPing({ pingMany: () => responses.requests });
    expect(await messagesAhead(server, slowClient(server.client.pingMany({}), responses))).toBeLessThanOrEqual(
      mostResponses,
    );
  });

  test("of the responses of a bidirectional call", async () => {
    const [questions, answers] = [largeQuestions(), largeAnswers()];
    await using server = await startPing({ pingEach: () => answers.requests });
    expect(
      await messagesAhead(server, slowClient(server.client.pingEach(questions.requests), answers)),
    ).toBeLessThanOrEqual(mostResponses);
    await questions.closed;
  });

  test("of the requests of a client stream", async () => {
    const requests = largeSums();
    const { signal, readBy, call } = slowServer(requests);
    await using server = await startPing({
      pingSum: async (sums, context) => {
        await readBy(sums, context.signal);
        return {};
      },
    });
    server.client.pingSum(requests.requests, { signal }).catch(() => {});
    expect(await messagesAhead(server, call)).toBeLessThanOrEqual(mostRequests);
  });

  test("of the requests of a bidirectional call", async () => {
    const requests = largeQuestions();
    const { signal, readBy, call } = slowServer(requests);
    await using server = await startPing({
      async *pingEach(questions, context) {
        yield {};
        await readBy(questions, context.signal);
      },
    });
    const answers = server.client.pingEach(requests.requests, { signal })[Symbol.asyncIterator]();
    await answers.next();
    answers.next().catch(() => {});
    expect(await messagesAhead(server, call)).toBeLessThanOrEqual(mostRequests);
  });

  test("of messages without a byte", async () => {
    const responses = endless({});
    await using server = await startPing({ pingMany: () => responses.requests });
    const call = slowClient(server.client.pingMany({}), responses);
    await call.read(1);
    const ahead = await settled(server, responses.taken);
    console.info(`the writer is ${ahead} empty messages ahead of its reader`);
    // Each takes 5 bytes of what may be on its way, some 64 KiB on either side. It was 26 278.
    expect(ahead).toBeLessThan(50_000);
    await call.stop();
  });
});

test("a caller whose requests wait for nothing holds up nobody else", async () => {
  const { requests, taken, closed } = endless<object>({});
  const caller = new AbortController();
  await using server = await startPing({
    pingSum: async (_requests, context) => {
      await aborted(context.signal);
      return {};
    },
  });
  await server.client.ping({});
  server.client.pingSum(requests, { signal: caller.signal }).catch(() => {});
  let most = 0;
  for (let turn = 0; turn < 100; turn += 1) {
    const before = taken();
    await setImmediate();
    most = Math.max(most, taken() - before);
  }
  // grpc-js keeps 1 MiB of them for another attempt, and takes that at once: they were 200 000 in one turn.
  expect(most).toBeLessThan(1_000);
  expect(taken()).toBeGreaterThan(most);
  caller.abort();
  await closed;
});
