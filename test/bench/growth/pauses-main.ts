// Stores that grow in a process of their own: which of their steps take longest, whenever they are taken.
import { randomBytes } from "node:crypto";
import { memoryLimits, memoryNonceStore } from "@zero-trust/auth/server";
import type { PauseFigures } from "./pauses.ts";

const isQuick = process.argv.includes("--quick");
const nowSeconds = 1_795_000_000;
const rate = { perSecond: 10, burst: 20 };

/** A store that begins empty: what the step of each number does. */
type Begin = () => (index: number) => unknown;

const NONCES = isQuick ? 100_000 : 1_000_000;
const CALLERS = 100_000;
/** Each step is judged by the shortest time that it took in any of them: whatever else the machine does is in none of all. */
const TIMES = 3;

const hashes = Array.from({ length: NONCES }, () => randomBytes(32).toString("base64url"));

function nonces(secondOf: (index: number) => number): Begin {
  return () => {
    const options = { maxNonces: NONCES, maxNoncesPerKey: NONCES, now: () => (nowSeconds - 1_000) * 1_000 };
    const store = memoryNonceStore(options);
    return (index) => {
      const use = { keyId: `hk-growth0${index % 10}`, hash: hashes[index] ?? "", nowSeconds };
      if (store.claim({ ...use, timestampSeconds: nowSeconds - secondOf(index) }) !== "new")
        throw new Error("Refused.");
    };
  };
}

/** All of them come and come to rest, and then there is no room for one more before those are forgotten. */
const callers: Begin = () => {
  let nowMs = 0;
  const store = memoryLimits({ maxKeys: CALLERS, now: () => nowMs });
  return (index) => {
    if (index === CALLERS) nowMs += 60_000;
    return store.take({ key: `client client-${index}`, cost: 1, rate });
  };
};

function pausesOf(what: string, size: number, begin: Begin): PauseFigures {
  const shortest = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
  for (let time = 0; time < TIMES; time += 1) {
    const step = begin();
    for (let index = 0; index < size; index += 1) {
      const beganMs = performance.now();
      step(index);
      shortest[index] = Math.min(shortest[index] ?? Number.NaN, performance.now() - beganMs);
    }
  }
  const sorted = shortest.toSorted();
  const ms = (share: number) => sorted[Math.ceil(share * size) - 1] ?? Number.NaN;
  return { what, size, medianMs: ms(0.5), almostAllMs: ms(0.9999), longestMs: ms(1) };
}

const figures = [
  pausesOf(
    "nonces claimed, from all of the window",
    NONCES,
    nonces((index) => index % 300),
  ),
  pausesOf(
    "nonces claimed, all of one second",
    NONCES,
    nonces(() => 0),
  ),
  pausesOf("callers counted, and one more than there is room for", CALLERS + 1, callers),
];
console.log(JSON.stringify(figures));
