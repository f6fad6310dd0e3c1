import { once } from "node:events";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { PingService } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { type Client, createClient, RpcError, type ServiceConfigOptions, serviceConfig } from "../src/index.ts";
import { bareAnswer } from "./bare-server.ts";
import { type PingServer, startPing } from "./ping-server.ts";

/** A replica: what it is asked, and whether it answers. */
interface Replica {
  calls: number;
  /** `failing` says UNAVAILABLE, `paused` nothing. */
  mood: "well" | "failing" | "paused";
}

interface Replicas extends AsyncDisposable {
  readonly all: readonly Replica[];
  readonly servers: readonly PingServer[];
  readonly client: Client<typeof PingService>;
}

async function startReplicas(count: number, options: ServiceConfigOptions & { attemptTimeoutMs?: number } = {}) {
  await using opened = new AsyncDisposableStack();
  const { attemptTimeoutMs, ...config } = options;
  const all = Array.from({ length: count }, (): Replica => ({ calls: 0, mood: "well" }));
  const start = (replica: Replica) =>
    startPing({
      async ping({ text }, { signal }) {
        replica.calls += 1;
        if (replica.mood === "failing") throw new RpcError(status.UNAVAILABLE, "Not now.");
        if (replica.mood === "paused" && !signal.aborted) await once(signal, "abort");
        return { text };
      },
    });
  const servers = await Promise.all(all.map(async (replica) => opened.use(await start(replica))));
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  const front = await startPing(
    {},
    {
      target: `ipv4:${addresses.join(",")}`,
      channel: { "grpc.service_config": serviceConfig([PingService], { loadBalancing: "round_robin", ...config }) },
    },
  );
  opened.use(front);
  const client = createClient(
    PingService,
    { channel: () => front.channel },
    attemptTimeoutMs === undefined ? {} : { attemptTimeoutMs },
  );
  const running = opened.move();
  return { all, servers, client, [Symbol.asyncDispose]: () => running.disposeAsync() } satisfies Replicas;
}

/** Calls until what is waited for is so; the calls have to be answered. */
async function callUntil({ client, all }: Replicas, isSo: (all: readonly Replica[]) => boolean): Promise<void> {
  while (!isSo(all)) await Promise.all([client.ping({}), client.ping({}), client.ping({})]);
}

/** How many of so many calls each gets. */
async function shares({ client, all }: Replicas, calls: number): Promise<readonly number[]> {
  for (const replica of all) replica.calls = 0;
  for (let call = 0; call < calls; call += 1) await client.ping({});
  return all.map((replica) => replica.calls);
}

const quick = { intervalMs: 100, minCalls: 1, ejectionMs: 500, maxEjectionMs: 500 };

describe("calls to several servers", () => {
  test("are spread over all of them", async () => {
    await using replicas = await startReplicas(3);
    await callUntil(replicas, (all) => all.every(({ calls }) => calls > 0));
    expect(await shares(replicas, 30)).toEqual([10, 10, 10]);
  });

  test("go to those that are left, without an error, when one is gone", async () => {
    await using replicas = await startReplicas(2);
    await callUntil(replicas, (all) => all.every(({ calls }) => calls > 0));
    const calls = Array.from({ length: 50 }, () => replicas.client.ping({ text: "a" }));
    replicas.servers[0]?.forceShutdown();
    expect(await Promise.all(calls)).toHaveLength(50);
    expect(await shares(replicas, 10)).toEqual([0, 10]);
  });

  test("pass over one that fails them for a while, and then give it another chance", async () => {
    await using replicas = await startReplicas(2, { outlierDetection: quick });
    const [first, second] = replicas.all;
    if (first === undefined || second === undefined) throw new Error("There are two.");
    first.mood = "failing";
    // What fails is tried again at the other.
    await callUntil(replicas, () => first.calls > 0);
    let passedOver = 0;
    await callUntil(replicas, () => {
      passedOver = first.calls === 0 ? passedOver + 1 : 0;
      first.calls = 0;
      return passedOver === 5;
    });
    first.mood = "well";
    await callUntil(replicas, () => first.calls > 0);
    expect(await shares(replicas, 10)).toEqual([5, 5]);
  });

  test("are answered by another when the one that was asked says nothing", async () => {
    await using replicas = await startReplicas(2, { outlierDetection: quick, attemptTimeoutMs: 100 });
    await callUntil(replicas, (all) => all.every(({ calls }) => calls > 0));
    const [first] = replicas.all;
    if (first === undefined) throw new Error("There are two.");
    first.mood = "paused";
    first.calls = 0;
    await callUntil(replicas, () => first.calls > 0);
    expect(await replicas.client.ping({ text: "a" })).toMatchObject({ text: "a" });
  });
});

describe("an attempt", () => {
  test("that is too short for the server gets twice as long the next time", async () => {
    const waits: number[] = [];
    await using server = await startPing({
      async ping(_request, { deadlineMs }) {
        const left = (deadlineMs ?? 0) - Date.now();
        waits.push(left);
        if (left < 500) await new Promise(() => {});
        return { text: "at last" };
      },
    });
    const client = createClient(PingService, { channel: () => server.channel }, { attemptTimeoutMs: 200 });
    await expect(client.ping({})).resolves.toMatchObject({ text: "at last" });
    expect(waits.length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...waits)).toBeLessThanOrEqual(800);
  });

  test("has all that is left where there is no time for two, and then there is none", async () => {
    let attempts = 0;
    await using server = await startPing({
      async ping(_request, { signal }) {
        attempts += 1;
        await once(signal, "abort");
        return {};
      },
    });
    await server.client.pingSum((async function* () {})());
    const client = createClient(PingService, { channel: () => server.channel }, { attemptTimeoutMs: 200 });
    const began = performance.now();
    await expect(client.ping({}, { timeoutMs: 950 })).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(attempts).toBe(3);
    expect(performance.now() - began).toBeGreaterThan(850);
  });

  test("is the only one once too many got no answer", async () => {
    let attempts = 0;
    await using server = await startPing({
      async ping({ text }, { signal }) {
        if (text === "counted") attempts += 1;
        if (!signal.aborted) await once(signal, "abort");
        return {};
      },
    });
    const client = createClient(PingService, { channel: () => server.channel }, { attemptTimeoutMs: 100 });
    const call = (text: string, timeoutMs: number) => client.ping({ text }, { timeoutMs });
    await Promise.allSettled(Array.from({ length: 130 }, () => call("", 250)));
    // Long enough to arrive on a busy machine; it would be six attempts.
    await expect(call("counted", 1_500)).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
    expect(attempts).toBe(1);
  });

  describe("whose answer breaks off after its headers", () => {
    const config = { "grpc.service_config": serviceConfig([PingService]) };
    const breaking = (breaksOff: number) => bareAnswer({ bytes: Buffer.alloc(5), breaksOff });

    test("is followed by another", async () => {
      await using server = await breaking(1);
      const headers: unknown[] = [];
      const onHeaders = (its: unknown) => void headers.push(its);
      await server.client(config, { attemptTimeoutMs: 10_000 }).ping({}, { onHeaders });
      expect([server.calls(), headers.length]).toEqual([2, 2]);
    });

    test("is followed by one other, and no more", async () => {
      await using server = await breaking(Number.POSITIVE_INFINITY);
      const call = server.client(config, { attemptTimeoutMs: 10_000 }).ping({});
      await expect(call).rejects.toMatchObject({ code: status.UNAVAILABLE });
      expect(server.calls()).toBe(2);
    });

    test("is the only one where nobody said how long it may take, as everywhere in gRPC", async () => {
      await using server = await breaking(1);
      await expect(server.client(config).ping({})).rejects.toMatchObject({ code: status.UNAVAILABLE });
      expect(server.calls()).toBe(1);
    });

    test("is the only one of a method that does not say that it may be repeated", async () => {
      const saysNothing = { idempotency: MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN } as const;
      const methods = PingService.methods.map((method) => ({ ...method, ...saysNothing }));
      await using server = await breaking(1);
      const client = server.client(config, { attemptTimeoutMs: 10_000 }, { ...PingService, methods });
      await expect(client.ping({})).rejects.toMatchObject({ code: status.UNAVAILABLE });
      expect(server.calls()).toBe(1);
    });

    test("is the only one of a stream, of which something may have been seen", async () => {
      await using server = await breaking(1);
      const requests = (async function* () {
        yield {};
      })();
      const call = server.client(config, { attemptTimeoutMs: 10_000 }).pingSum(requests);
      await expect(call).rejects.toMatchObject({ code: status.UNAVAILABLE });
      expect(server.calls()).toBe(1);
    });
  });

  test.each([0, -1, Number.NaN])("of %s milliseconds is refused", (attemptTimeoutMs) => {
    const channels = { channel: () => expect.unreachable() };
    expect(() => createClient(PingService, channels, { attemptTimeoutMs })).toThrow("attemptTimeoutMs must be");
  });
});

test.each([
  [{ outlierDetection: {} }, "needs loadBalancing"],
  [{ loadBalancing: "round_robin", outlierDetection: { intervalMs: 0 } }, "intervalMs must be"],
  [{ loadBalancing: "round_robin", outlierDetection: { minCalls: 1.5 } }, "minCalls must be"],
  [{ loadBalancing: "round_robin", outlierDetection: { failurePercent: 100 } }, "failurePercent must be"],
] as const)("the service config refuses %j", (options, sentence) => {
  expect(() => serviceConfig([PingService], options)).toThrow(sentence);
});
