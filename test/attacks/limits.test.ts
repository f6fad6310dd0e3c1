import type { DescMethod } from "@bufbuild/protobuf";
import { newApiKey } from "@zero-trust/auth/issue";
import { spiffeIdOf } from "@zero-trust/infra/names";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { expect, vi } from "vitest";
import { startStack } from "../stack/start.ts";
import { type Call, type Connecting, callOn, connectionOn } from "./call.ts";
import { apiKeyOf, newPayment, payingCall, signedBy } from "./credentials.ts";
import { type GoodCaller, startGoodCaller } from "./good-caller.ts";
import { scenariosOn } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const { createPayment, getPayment, listTransactions } = PaymentService.method;
const limited = "RESOURCE_EXHAUSTED RATE_LIMITED";
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
/** How many calls are under way at a time: as many as one connection has. */
const atOnce = 100;

/** What is there by default, but for one client whose limit any machine reaches. */
const environmentOf = (service: string) =>
  service === "payment" ? { ZT_LIMIT_CLIENT: "storefront=20/s:100" } : ({} as Readonly<Record<string, string>>);

const scenario = scenariosOn(
  async () => undefined,
  () => startStack({ environmentOf }),
);

/** Makes many calls over one connection; gives how often each answer came. */
async function flood<M extends DescMethod>(
  { stack }: Trial,
  method: M,
  {
    as,
    count,
    call,
  }: Pick<Connecting, "as"> & { readonly count: number; readonly call: () => Omit<Call<M>, keyof Connecting> },
): Promise<ReadonlyMap<string, number>> {
  using connection = connectionOn(stack, "payment", as === undefined ? {} : { as });
  const answers = new Map<string, number>();
  let left = count;
  let answered = 0;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const { status } = await connection.call(method, call());
      answers.set(status, (answers.get(status) ?? 0) + 1);
      answered += 1;
      // Long before that, so there is no limit, and no use in going on.
      if (answered > 1_000 && !answers.has(limited)) {
        left = 0;
        throw new Error("Of 1 000 calls none was limited.");
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return answers;
}

/** Does something while another workload calls: all of its calls are answered, and the process stays as small as it was. */
async function besides(trial: Trial, what: string, attack: () => Promise<void>): Promise<void> {
  await using good = await startGoodCaller(trial.stack, "payment");
  const quiet = await callsOf(good, 200);
  const before = await trial.stack.payment.memory();
  const startedMs = performance.now();
  await attack();
  const tookMs = performance.now() - startedMs;
  const { peak } = await trial.stack.payment.memory();
  const noisy = await callsOf(good, 1);
  const megabytes = Math.round((peak - before.now) / 2 ** 20);
  console.log(
    `${what}: ${Math.round(tookMs / 100) / 10} s, memory +${megabytes} MB; another workload: ${noisy.length} calls,`,
    `p99 ${percentile(noisy, 99)} ms, before it ${percentile(quiet, 99)} ms; median ${percentile(noisy, 50)} and ${percentile(quiet, 50)} ms`,
  );
  trial.observe(`${what}: memory`, "survives", megabytes < 256 ? "survives" : `it grew by ${megabytes} MB`);
}

/** How long the calls of a good caller took since it was asked last, once there are so many; each of them was answered well. */
async function callsOf(good: GoodCaller, atLeast: number): Promise<readonly number[]> {
  const all: number[] = [];
  const enough = async () => {
    const { failures, tookMs } = await good.served();
    expect(failures).toEqual([]);
    all.push(...tookMs);
    return all.length >= atLeast;
  };
  await vi.waitUntil(enough, { timeout: 60_000, interval: 20 });
  return all;
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0);
}

scenario(
  "K9",
  "a workload that guesses is limited, a good key is no exception, and another workload is served",
  async (trial) => {
    const records = await trial.recordsSince("payment");
    // While it may not be wrong again, the good key gets the answer that wrong ones get.
    const good = async () => {
      const wrongKeys = Array.from({ length: 40 }, () => newApiKey("live").key.expose());
      using connection = connectionOn(trial.stack, "payment", { as: "partner" });
      const shown = [...wrongKeys, trial.stack.deployment.apiKey];
      const answers = await Promise.all(
        shown.map((key) => connection.call(listTransactions, { metadata: { "x-api-key": key } })),
      );
      return answers.at(-1)?.status ?? "";
    };
    await expect.poll(good, { timeout: 30_000 }).toBe(limited);
    trial.observe("a good key from the workload that has guessed", limited, limited);
    const startedMs = performance.now();
    await besides(trial, "10 000 wrong keys", async () => {
      const wrongKey = () => ({ metadata: { "x-api-key": newApiKey("live").key.expose() } });
      const answers = await flood(trial, listTransactions, { as: "partner", count: 10_000, call: wrongKey });
      console.log("K9:", answers);
      const most = 200 + (performance.now() - startedMs) / 100 + 1;
      expect([...answers.keys()].toSorted()).toEqual([limited, invalid]);
      expect(answers.get(invalid)).toBeLessThanOrEqual(most);
      trial.observe("most of 10 000 wrong keys", limited, (answers.get(limited) ?? 0) > 5_000 ? limited : invalid);
    });
    const after = () => callOn(trial.stack, listTransactions, { as: "partner", metadata: apiKeyOf(trial.stack) });
    await expect.poll(async () => (await after()).status, { timeout: 20_000 }).toBe("OK");
    const told = (await records()).filter(
      ({ reason, peer }) => reason === "RATE_LIMITED" && peer === spiffeIdOf("partner"),
    );
    expect(told.length).toBeGreaterThan(5_000);
  },
);

scenario("H11", "a client that floods is limited before its nonces are kept, and another is served", async (trial) => {
  const { messages } = await trial.call(
    createPayment,
    await payingCall(trial.stack, { ...newPayment(), client: "storefront" }),
  );
  const message = { paymentId: messages[0]?.payment?.paymentId ?? "" };
  const call = () => ({ message, metadata: signedBy(trial.stack, "storefront", getPayment, message) });
  const startedMs = performance.now();
  await besides(trial, "4 000 fresh nonces", async () => {
    const answers = await flood(trial, getPayment, { as: "storefront", count: 4_000, call });
    console.log("H11:", answers);
    const most = 100 + (performance.now() - startedMs) / 50 + 1;
    expect([...answers.keys()].toSorted()).toEqual(["OK", limited]);
    expect(answers.get("OK")).toBeLessThanOrEqual(most);
    trial.observe("fresh nonces of one client", limited, answers.has(limited) ? limited : "OK");
  });
  const after = () => trial.call(getPayment, { as: "storefront", ...call() });
  await expect.poll(async () => (await after()).status, { timeout: 20_000 }).toBe("OK");
});
