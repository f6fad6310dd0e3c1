import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OrderService } from "@zero-trust/proto/order/v1";
import type { Client } from "@zero-trust/rpc";
import { many } from "../../scaling/many.ts";
import { startProcesses } from "../../stack/process-stack.ts";
import type { Stack } from "../../stack/stack.ts";
import { unlimited } from "../../stack/unlimited.ts";
import { processorMicroseconds } from "../processor-time.ts";
import { type Profile, type Share, sharesOf } from "../profile.ts";
import { type Quantiles, quantilesOf } from "../quantiles.ts";
import { pidOf, placed, storefrontOf } from "./placed.ts";

/** Orders that are placed so many at a time, each watched until it is paid. */
export interface OrdersAtATime {
  readonly atATime: number;
  readonly perSecond: number;
  /** From the call until the order is on the disk, and its caller told so; milliseconds. */
  readonly answeredMs: Quantiles;
  /** From the call until it is paid, and its watcher told so; milliseconds. */
  readonly paidMs: Quantiles;
  /** Of one order, in microseconds. */
  readonly onOrder: number;
  readonly onPayment: number;
}

/** What one process of each service bears, and by what it is held up. */
export interface OrdersMeasured {
  readonly levels: readonly OrdersAtATime[];
  /** What each was busy with while the most were placed at a time, the waiting for its disk included. */
  readonly shares: Readonly<Record<"order" | "payment", readonly Share[]>>;
}

const levels = [1, 16, 64] as const;
const mostAtATime = 64;

/** Has one process of each place orders, with files that every commit waits for. */
export async function measureOrders(ordersALevel: number, onProgress: (now: string) => void): Promise<OrdersMeasured> {
  onProgress("orders, one process of each service");
  const measured: OrdersAtATime[] = [];
  await using stack = await startProcesses({ environmentOf: () => unlimited });
  using orders = storefrontOf(stack);
  await many(ordersALevel / 2, mostAtATime, () => placed(orders.client));
  for (const atATime of levels) {
    const level = await measureLevel(stack, orders.client, atATime, ordersALevel);
    onProgress(`${atATime} at a time: ${level.perSecond.toFixed(0)} orders a second`);
    measured.push(level);
  }
  onProgress("what they are busy with");
  return { levels: measured, shares: await profiled(ordersALevel) };
}

async function measureLevel(
  stack: Stack,
  client: Client<typeof OrderService>,
  atATime: number,
  count: number,
): Promise<OrdersAtATime> {
  const [order, payment] = await Promise.all([pidOf(stack, "order"), pidOf(stack, "payment")]);
  const before = [processorMicroseconds(order), processorMicroseconds(payment)] as const;
  const answered: number[] = [];
  const paid: number[] = [];
  const begunMs = performance.now();
  await many(count, atATime, async () => {
    const times = await placed(client);
    answered.push(times.answeredMs);
    paid.push(times.paidMs);
  });
  const tookMs = performance.now() - begunMs;
  return {
    atATime,
    perSecond: (count / tookMs) * 1_000,
    answeredMs: quantilesOf(answered),
    paidMs: quantilesOf(paid),
    onOrder: (processorMicroseconds(order) - before[0]) / count,
    onPayment: (processorMicroseconds(payment) - before[1]) / count,
  };
}

/** The same on services that write a profile when they end; their last part is of the orders. */
async function profiled(count: number): Promise<OrdersMeasured["shares"]> {
  const folder = mkdtempSync(join(tmpdir(), "orders-"));
  using cleanup = new DisposableStack();
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const options = { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
  let placingMs = 0;
  let pids: readonly [number, number] = [0, 0];
  {
    await using stack = await startProcesses({ environmentOf: () => ({ ...unlimited, ...options }) });
    using orders = storefrontOf(stack);
    pids = [await pidOf(stack, "order"), await pidOf(stack, "payment")];
    await many(count / 2, mostAtATime, () => placed(orders.client));
    const begunMs = performance.now();
    await many(count, mostAtATime, () => placed(orders.client));
    placingMs = performance.now() - begunMs;
  }
  const shares = pids.map((pid) => {
    const name = readdirSync(folder).find((each) => each.includes(`.${pid}.`)) ?? "";
    const profile = JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile;
    // Of the main thread alone: what others do waits for nothing.
    return sharesOf(endOf(profile, placingMs), { used: 1, usedByMainThread: 1 });
  });
  return { order: shares[0] ?? [], payment: shares[1] ?? [] };
}

/** The last part of a profile: that many milliseconds of it, before the idle end. */
function endOf(profile: Profile, ms: number): Profile {
  const idle = new Set(
    profile.nodes.filter(({ callFrame }) => callFrame.functionName === "(idle)").map(({ id }) => id),
  );
  const last = profile.samples.findLastIndex((node) => !idle.has(node));
  let first = last;
  for (let left = ms * 1_000; first > 0 && left > 0; first -= 1) left -= profile.timeDeltas[first] ?? 0;
  const { nodes, samples, timeDeltas } = profile;
  return { nodes, samples: samples.slice(first, last), timeDeltas: timeDeltas.slice(first, last) };
}
