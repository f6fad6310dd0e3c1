import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { apiKey, connect } from "@zero-trust/auth/client";
import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import type { ServiceProcess } from "@zero-trust/infra/service-process";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import { unlimited } from "../../stack/unlimited.ts";
import { slope } from "./slope.ts";

/** What a service holds, in bytes: after all garbage is gone, and what the system has given it. */
export interface Held {
  readonly collected: number;
  readonly resident: number;
}

/** One look at a service under load. */
export interface Sample extends Held {
  /** Since the load began. */
  readonly seconds: number;
}

/** What one service held over a run. */
export interface MemoryOfService {
  readonly idle: Held;
  readonly samples: readonly Sample[];
  /** Of `collected`, in the second half of the run: bytes a minute. */
  readonly bytesAMinute: number;
  /** When the load has ended. */
  readonly idleAgain: Held;
}

/** What services hold while they are idle, and under load. */
export interface MemoryFigures {
  readonly seconds: number;
  /** Calls that were answered, of each kind. */
  readonly calls: Readonly<Record<string, number>>;
  readonly services: Readonly<Record<"issuer" | "payment" | "order", MemoryOfService>>;
}

const services = ["issuer", "payment", "order"] as const;
/** How often a second each kind of call is begun: an order makes two signed calls to payment. */
const perSecond = { CreateOrder: 10, GetOrder: 40, ListTransactions: 10 } as const;
const SAMPLES = 20;
/** Until what the start has left behind is gone, and what the last calls hold on to. */
const REST_MS = 3_000;
const POLL_MS = 20;

/** Starts the services, lets them rest, calls them steadily for so long, and lets them rest again. */
export async function measureMemory(seconds: number): Promise<MemoryFigures> {
  const NODE_OPTIONS = `--import=${new URL("says-memory.ts", import.meta.url).href}`;
  await using stack = await startStack(newStackFolder("growth"), {
    environmentOf: () => ({ ...unlimited, NODE_OPTIONS }),
  });
  const heldByAll = async () =>
    Object.fromEntries(await Promise.all(services.map(async (name) => [name, await held(stack[name])] as const)));
  await setTimeout(REST_MS);
  const idle = await heldByAll();
  const samples: (readonly [seconds: number, Record<string, Held>])[] = [];
  const beganMs = performance.now();
  const end = new AbortController();
  const calling = callAll(stack, end.signal);
  for (let sample = 1; sample <= SAMPLES; sample += 1) {
    const untilMs = beganMs + (seconds * 1_000 * sample) / SAMPLES;
    // A call that fails ends the run.
    await Promise.race([setTimeout(Math.max(0, untilMs - performance.now())), calling]);
    samples.push([(performance.now() - beganMs) / 1_000, await heldByAll()]);
  }
  end.abort();
  const calls = await calling;
  await setTimeout(REST_MS);
  const idleAgain = await heldByAll();
  const memoryOf = (name: string): MemoryOfService => {
    const own = samples.map(([at, all]) => ({ seconds: at, ...ofService(all, name) }));
    const later = own.slice(SAMPLES / 2).map((sample) => [sample.seconds / 60, sample.collected] as const);
    return {
      idle: ofService(idle, name),
      samples: own,
      bytesAMinute: slope(later),
      idleAgain: ofService(idleAgain, name),
    };
  };
  return {
    seconds,
    calls,
    services: { issuer: memoryOf("issuer"), payment: memoryOf("payment"), order: memoryOf("order") },
  };
}

function ofService(all: Readonly<Record<string, Held>>, name: string): Held {
  const found = all[name];
  if (found === undefined) throw new Error(`${name} was not asked.`);
  return found;
}

/** Asks a service that has `says-memory.ts` in it. */
async function held(service: ServiceProcess): Promise<Held> {
  const before = service.log.length;
  process.kill(service.pid, "SIGUSR2");
  for (;;) {
    const said = service.log.slice(before).find(({ msg }) => msg === "memory");
    if (said !== undefined) return { collected: Number(said["collected"]), resident: Number(said["resident"]) };
    await setTimeout(POLL_MS);
  }
}

/** Begins calls at their times, whatever became of those before, until it is told to end. */
async function callAll(stack: Stack, signal: AbortSignal): Promise<Record<string, number>> {
  using opened = new DisposableStack();
  const toOrder = opened.adopt(channelsTo(stack, "storefront", "order"), (it) => it.close());
  const toPayment = opened.adopt(channelsTo(stack, "reporting", "payment"), (it) => it.close());
  const tokens = tokensOf(stack, "storefront", "order", ["read:orders", "write:orders"]);
  const orders = createClient(OrderService, withToken(toOrder, tokens));
  const credentials = [apiKey({ key: stack.deployment.apiKey })];
  const payments = createClient(PaymentService, connect({ channels: toPayment, credentials }));
  const place = async () => {
    const unitPrice = { currencyCode: "EUR", minorUnits: 1299n };
    const lines = [{ sku: "TEA-GREEN", quantity: 1, unitPrice }];
    return (await orders.createOrder({ requestId: randomUUID(), lines })).order?.orderId ?? "";
  };
  const orderId = await place();
  const kinds: Readonly<Record<keyof typeof perSecond, () => Promise<unknown>>> = {
    CreateOrder: place,
    GetOrder: () => orders.getOrder({ orderId }),
    ListTransactions: () => payments.listTransactions({ pageSize: 10 }),
  };
  const answered = Object.entries(kinds).map(async ([name, call]) => {
    const everyMs = 1_000 / perSecond[name as keyof typeof perSecond];
    const begun = new Set<Promise<unknown>>();
    const firstMs = performance.now();
    let count = 0;
    for (; !signal.aborted; count += 1) {
      await setTimeout(Math.max(0, firstMs + count * everyMs - performance.now()));
      const calling = call();
      begun.add(calling);
      void calling.then(() => begun.delete(calling));
    }
    await Promise.all(begun);
    return [name, count] as const;
  });
  return Object.fromEntries(await Promise.all(answered));
}
