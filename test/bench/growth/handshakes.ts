import { measureConnections } from "../../scaling/connections.ts";
import { type Spread, spreadOf } from "../statistics.ts";
import { perTenfold } from "./slope.ts";

/** What a handshake takes of a server that has so many connections already. */
export interface HandshakeFigures {
  readonly sizes: readonly { readonly size: number; readonly microseconds: Spread }[];
  readonly perTenfold: Spread;
}

/** Handshakes that are measured at a time. */
const HANDSHAKES = 200;
const SIZES = [100, 1_000, 4_000];

/** Has a server, in a process of its own, greet workloads while few and many others are connected. */
export async function measureHandshakes({
  rounds,
  isQuick,
}: {
  readonly rounds: number;
  readonly isQuick: boolean;
}): Promise<HandshakeFigures> {
  const sizes = isQuick ? SIZES.slice(0, 2) : SIZES;
  const measured: number[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const values = [];
    // One way and back: each size has been first and last as often as the others.
    for (const at of round % 2 === 0 ? sizes.keys() : [...sizes.keys()].reverse()) {
      const { microseconds } = await measureConnections({ warmUp: sizes[at] ?? 0, connections: HANDSHAKES });
      values[at] = microseconds;
    }
    measured.push(values);
  }
  return {
    sizes: sizes.map((size, at) => ({
      size,
      microseconds: spreadOf(measured.map((values) => values[at] ?? Number.NaN)),
    })),
    perTenfold: spreadOf(
      measured.map((values) => perTenfold(sizes.map((size, at) => ({ size, value: values[at] ?? Number.NaN })))),
    ),
  };
}
