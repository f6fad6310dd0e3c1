import { execFileSync } from "node:child_process";
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { connect as connectTls, createSecureContext } from "node:tls";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { type Connection, connectionOn, onTheWire, type RunningCall } from "../attacks/call.ts";
import { bearerOf } from "../attacks/credentials.ts";
import { certificateOf } from "../attacks/showing.ts";
import { readBooks } from "../kills/books.ts";
import type { Stack } from "../stack/stack.ts";
import type { Breakable, Fault } from "./faults.ts";

/** One process of each as it is broken. */
export type BreakableStack = Stack & Breakable;

export function breakableStack(stack: Stack): BreakableStack {
  const { issuer, payment, order } = stack;
  return {
    ...stack,
    payments: [payment],
    orders: [order],
    processes: [issuer, payment, order],
    books: async () => readBooks(stack.deployment.folder),
  };
}

/** No file of theirs may become longer than this, which all of them are: as on a full disk, every write fails. */
const FULL_BYTES = 1_024;
/** How many connections are made at a time. */
const BATCH = 50;
/** Those that make a handshake, all as one workload; the others say nothing at all. */
const SHAKING = 500;

const { reconcileTransactions } = PaymentService.method;
const DEAF = 5;
const LINES = 200_000;
/** One that the ledger does not have, so that it is answered. */
const line = Buffer.from(
  onTheWire(reconcileTransactions, {
    transactionId: "txn_00000000000000000000000000000000",
    currencyCode: "EUR",
    minorUnits: 1n,
  }).bytes,
);

/** What breaks below one process of each. `connections` is how many of them idle. */
export function stackFaults({ connections }: { readonly connections: number }): readonly Fault<BreakableStack>[] {
  const idle: Socket[] = [];
  const deaf: Connection[] = [];
  return [
    {
      what: "the disk is full: no file of order and payment takes another byte",
      strike: ({ order, payment }) => limitFiles([order, payment], `${FULL_BYTES}`),
      mend: ({ order, payment }) => limitFiles([order, payment], "unlimited"),
      othersNotice: true,
    },
    {
      what: "the network is slow: 100 ms each way, and up to 50 more",
      strike: ({ relays }) => becomeAll(relays, { kind: "delay", ms: 100, jitterMs: 50 }),
      mend: ({ relays }) => becomeAll(relays, { kind: "pass" }),
      othersNotice: false,
    },
    {
      what: `${connections} connections to order that do nothing, ${SHAKING} of them after a handshake`,
      strike: async (stack) => {
        const { ca } = stack.deployment.ca;
        const secureContext = createSecureContext({ ...certificateOf(stack, "stranger"), ca });
        const where = { host: "127.0.0.1", port: stack.order.port };
        const tls = { ...where, secureContext, ALPNProtocols: ["h2"], checkServerIdentity: () => undefined };
        for (let made = 0; made < connections; made += BATCH) {
          const open = () => (made < SHAKING ? connectTls(tls) : connect(where));
          await Promise.all(Array.from({ length: BATCH }, () => opened(idle, open())));
        }
      },
      mend: async () => {
        for (const socket of idle.splice(0)) socket.destroy();
      },
      othersNotice: false,
    },
    {
      what: `${DEAF} streams of a caller who asks payment for ${LINES} answers each, and reads none`,
      strike: async (stack) => {
        const metadata = await bearerOf(stack, "order-service", "payment", ["read:transactions"]);
        const writing = Array.from({ length: DEAF }, async () => {
          const connection = connectionOn(stack, "payment", { as: "order-service" });
          deaf.push(connection);
          const { stream } = connection.open(reconcileTransactions, { bytes: [], metadata, timeoutMs: 120_000 });
          stream.pause();
          await askAndNeverRead(stream);
        });
        await Promise.all(writing);
      },
      mend: async () => {
        for (const connection of deaf.splice(0)) connection[Symbol.dispose]();
      },
      othersNotice: false,
    },
  ];
}

/** Asks until nothing more is taken for a second, which is what should become of it. */
async function askAndNeverRead(stream: RunningCall<typeof reconcileTransactions>["stream"]): Promise<void> {
  for (let sent = 0; sent < LINES; sent += 1) {
    if (stream.write(line)) continue;
    const drained = Promise.withResolvers<boolean>();
    stream.once("drain", () => drained.resolve(true));
    if (!(await Promise.race([drained.promise, setTimeout(1_000, false)]))) return;
  }
}

/** Leaves a connection as it is when it is there, or was refused. */
function opened(idle: Socket[], socket: Socket): Promise<void> {
  idle.push(socket);
  socket.resume();
  return new Promise((resolve) => {
    for (const event of ["connect", "secureConnect", "error", "close"]) socket.on(event, () => resolve());
  });
}

async function becomeAll(relays: Stack["relays"], mode: Parameters<Stack["relays"]["issuer"]["become"]>[0]) {
  await Promise.all([relays.issuer.become(mode), relays.payment.become(mode)]);
}

async function limitFiles(processes: readonly Stack["order"][], limit: string): Promise<void> {
  for (const process of processes) {
    const pid = await process.startedAs();
    execFileSync("prlimit", [`--pid=${pid}`, `--fsize=${limit}:unlimited`]);
  }
}
