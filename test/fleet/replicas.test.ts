// Replicas that die, stop or vanish under load: nobody notices, and nothing is lost or paid twice.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { History } from "../kills/history.ts";
import type { Fleet, Replica } from "./fleet.ts";
import type { LoadOptions } from "./load.ts";
import { canStartFleet, startFleet } from "./start.ts";
import { unnoticed } from "./under-load.ts";

/** `ZT_FLEET=all` for every fault: each takes a minute. */
const all = process.env["ZT_FLEET"] === "all";
/** A machine that does other things as well takes its time, and an attempt that is given up too early is one more to serve. */
const patient: LoadOptions = { attemptTimeoutMs: 1_500, timeoutMs: 15_000 };

/** How many calls a replica has decided about, but for questions for its health. */
async function callsTo(replica: Replica): Promise<number> {
  const records = await replica.log();
  return records.filter(({ log, method }) => log === "decision" && !String(method).startsWith("/grpc.health")).length;
}

describe.runIf(canStartFleet)("a fleet", () => {
  let fleet: Fleet;
  /** Of all tests together, also of one that fails: else each after it would find orders that it knows nothing of. */
  const options: LoadOptions = { ...patient, after: { history: new History(), payments: [] } };

  beforeAll(async () => {
    fleet = await startFleet();
  }, 300_000);
  afterAll(() => fleet?.[Symbol.asyncDispose]());

  test("has every replica do its part", { timeout: 120_000 }, async () => {
    const services = [fleet.payments, fleet.orders];
    const counted = () => Promise.all(services.map((replicas) => Promise.all(replicas.map(callsTo))));
    let before: readonly (readonly number[])[] = [];
    const everyReplica = async () => {
      before = await counted();
      return before.flat().every((count) => count > 0);
    };
    await unnoticed(
      fleet,
      async (load) => {
        // Until a caller has a connection to each, those that it has do it all.
        await vi.waitUntil(everyReplica, { timeout: 60_000, interval: 50 });
        await load.untilAnswered(200);
      },
      options,
    );
    for (const [service, counts] of (await counted()).entries()) {
      const since = counts.map((count, replica) => count - (before[service]?.[replica] ?? 0));
      const total = since.reduce((sum, count) => sum + count, 0);
      for (const count of since) expect(count / total).toBeGreaterThan(0.5 / since.length);
    }
  });

  const victims = {
    payment: () => fleet.payments[0],
    order: () => fleet.orders[1],
  };
  const faults = {
    killed: { strike: (replica: Replica) => replica.stop("SIGKILL"), heal: (replica: Replica) => replica.restart() },
    paused: { strike: (replica: Replica) => replica.pause(), heal: (replica: Replica) => replica.resume() },
  };
  const some = [
    ["payment", "killed"],
    ["order", "paused"],
  ] as const;
  const others = [
    ["payment", "paused"],
    ["order", "killed"],
  ] as const;

  test.each(all ? [...some, ...others] : some)(
    "goes on unnoticed when a replica of %s is %s, and has it back by itself",
    { timeout: 240_000 },
    async (service, what) => {
      const replica = victims[service]();
      const { strike, heal } = faults[what];
      if (replica === undefined) throw new Error("There are two.");
      const { errors } = await unnoticed(
        fleet,
        async (load) => {
          load.since();
          await strike(replica);
          await load.untilAnswered(200);
          const { tookMs } = load.since();
          await heal(replica);
          const before = await callsTo(replica);
          await vi.waitUntil(async () => (await callsTo(replica)) > before, { timeout: 90_000, interval: 200 });
          console.log(`  ${service} ${what}: calls took ${JSON.stringify(tookMs)} ms meanwhile`);
        },
        options,
      );
      expect(errors).toEqual({});
    },
  );
});
