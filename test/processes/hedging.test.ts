// A client that hedges (gRFC A6) sends a call again while it waits for the answer: each attempt is a call of its own.
import { once } from "node:events";
import { status } from "@grpc/grpc-js";
import { RpcError } from "@zero-trust/rpc";
import { expect, test, vi } from "vitest";
import { type SignedService, signedCalls, startSignedService } from "./signed-service.ts";

const hedging = (hedgingDelay: string) =>
  JSON.stringify({
    methodConfig: [
      { name: [{}], hedgingPolicy: { maxAttempts: 3, hedgingDelay, nonFatalStatusCodes: ["UNAVAILABLE"] } },
    ],
  });

/** That no two attempts had a nonce in common, and none was taken for a replay. */
function expectDistinct({ attempts, decisions }: SignedService, count: number): void {
  expect([attempts.length, new Set(attempts.map(({ nonce }) => nonce)).size]).toEqual([count, count]);
  for (const { nonce, timestamp } of attempts) {
    expect(nonce).toMatch(/^[0-9a-f]{32}$/);
    expect(timestamp).toMatch(/^[0-9]{10}$/);
  }
  expect(decisions.map(({ reason }) => reason)).not.toContain("CREDENTIAL_REPLAYED");
}

test.each(signedCalls)("H13: a call (%s) whose first attempt hangs is served by a hedge, once", async (_kind, call) => {
  let cancelled = 0;
  await using service = await startSignedService(async (attempt, signal) => {
    if (attempt > 1) return;
    await once(signal, "abort");
    cancelled += 1;
    throw signal.reason;
  });
  expect(await call(service.client({ serviceConfig: hedging("0.2s") }))).toBe("hello");
  await vi.waitFor(() => expect(cancelled).toBe(1));
  expect(service.effects()).toBe(1);
  expectDistinct(service, service.attempts.length);
  expect(service.attempts.length).toBeGreaterThanOrEqual(2);
});

test.each(signedCalls)(
  "H13: a call (%s) whose first attempts fail is served by the last, once",
  async (_kind, call) => {
    await using service = await startSignedService((attempt) => {
      if (attempt < 3) throw new RpcError(status.UNAVAILABLE, "Not now.");
    });
    expect(await call(service.client({ serviceConfig: hedging("3600s") }))).toBe("hello");
    expect([service.handled(), service.effects()]).toEqual([3, 1]);
    expectDistinct(service, 3);
  },
);

test.each(signedCalls)("H13: a hedged call (%s) that is refused for its clock is served once", async (_kind, call) => {
  await using service = await startSignedService();
  const options = { serviceConfig: hedging("3600s"), now: () => Date.now() - 360_000 };
  expect(await call(service.client(options))).toBe("hello");
  expect([service.handled(), service.effects()]).toEqual([1, 1]);
  expectDistinct(service, 2);
});
