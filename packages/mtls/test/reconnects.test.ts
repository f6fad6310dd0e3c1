import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { createCa } from "@zero-trust/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { identityFromMemory, mutualTlsChannels } from "../src/index.ts";
import { callEcho } from "./echo.ts";

// Timers alone: connections are real, and a minute of waiting for the next is over at once.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const turns = 50;
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a server that is back after a long outage is connected to within 12 s", async () => {
  let attempts = 0;
  const down = createServer((socket) => {
    attempts += 1;
    socket.destroy();
  });
  down.listen(0, "127.0.0.1");
  await once(down, "listening");
  const ca = await createCa();
  const channels = mutualTlsChannels({
    identity: identityFromMemory(await ca.issue({ spiffeId: "spiffe://production.internal/order-service" })),
    target: `127.0.0.1:${(down.address() as AddressInfo).port}`,
    serverId: "spiffe://production.internal/payment-service",
  });
  try {
    const gaps: number[] = [];
    for (let seconds = 1; gaps.length < 16; seconds += 1) {
      const before = attempts;
      void callEcho(channels.channel());
      await vi.advanceTimersByTimeAsync(1_000);
      for (let each = 0; each < turns; each += 1) await turn();
      if (attempts === before) continue;
      gaps.push(seconds);
      seconds = 0;
    }
    // It waits longer and longer at first; a fifth more or less is by chance.
    expect(Math.max(...gaps)).toBeGreaterThan(5);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(13);
  } finally {
    channels.close();
    down.close();
  }
});
