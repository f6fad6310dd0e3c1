import { execFileSync } from "node:child_process";
import { type ConnectionOptions, connect, createSecureContext, type TLSSocket } from "node:tls";
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
/** How many handshakes are made at a time. */
const BATCH = 50;

/** What breaks below one process of each. `connections` is how many of them idle. */
export function stackFaults({ connections }: { readonly connections: number }): readonly Fault<BreakableStack>[] {
  const idle: TLSSocket[] = [];
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
      what: `${connections} connections to order that do nothing`,
      strike: async (stack) => {
        const { ca } = stack.deployment.ca;
        const secureContext = createSecureContext({ ...certificateOf(stack, "stranger"), ca });
        const options = { host: "127.0.0.1", port: stack.order.port, secureContext, ALPNProtocols: ["h2"] };
        for (let made = 0; made < connections; made += BATCH)
          await Promise.all(Array.from({ length: BATCH }, () => opened(idle, options)));
      },
      mend: async () => {
        for (const socket of idle.splice(0)) socket.destroy();
      },
      othersNotice: false,
    },
  ];
}

/** Opens a connection and leaves it; resolves when it is let in, or not. */
function opened(idle: TLSSocket[], options: ConnectionOptions): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ ...options, checkServerIdentity: () => undefined }, () => resolve());
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
    socket.resume();
    idle.push(socket);
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
