// A fuzzing attacker: valid calls of every method, to which anything is done, against the model of how calls are decided.
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Change, change, changed } from "../fuzz/changes.ts";
import { deadlineSeconds, FuzzedStack, paths, surroundingsOf, takesOneMessage } from "../fuzz/fuzzed-stack.ts";
import type { MadeCall, WireCall } from "../fuzz/made-call.ts";
import { predict } from "../fuzz/model.ts";
import { waysIn } from "../fuzz/ways-in.ts";
import { type Stack, serviceNames } from "../stack/stack.ts";
import { startStack } from "../stack/start.ts";
import { unlimited } from "../stack/unlimited.ts";
import { placedOrder } from "./placed-order.ts";

const seconds = Number(process.env["ZT_FUZZ_SECONDS"] ?? 10);
const seed = Number(process.env["ZT_FUZZ_SEED"] ?? Date.now() % 2 ** 31);
const regressions = fileURLToPath(new URL("../fuzz/regressions/", import.meta.url));
/** By how much a call may be late on a machine that does something else, in milliseconds. */
const slackMs = 10_000;

/** A call and what is done to it: all that is kept of a failure. */
interface Plan {
  readonly way: string;
  readonly changes: readonly Change[];
}

let stack: Stack;
let fuzzed: FuzzedStack;
let ways: ReadonlyMap<string, () => MadeCall>;
beforeAll(async () => {
  stack = await startStack({ environmentOf: () => unlimited });
  fuzzed = new FuzzedStack(stack);
  ways = await waysIn(stack, await placedOrder(stack));
}, 120_000);
afterAll(async () => {
  fuzzed[Symbol.dispose]();
  await stack[Symbol.asyncDispose]();
});

/** Makes a call, does to it what is planned, and sends it; gives what is wrong with what became of it. */
async function problemOf(
  { way, changes }: Plan,
  count: (outcome: string) => void = () => undefined,
): Promise<string | undefined> {
  const made = ways.get(way)?.();
  if (made === undefined) throw new Error(`There is no way in that is called “${way}”.`);
  const sent = changes.reduce<WireCall>((call, one) => changed(call, one, paths), made);
  const right = predict(made, sent, surroundingsOf(stack, sent.path, sent.service));
  const { outcome, tookMs } = await fuzzed.call(sent);
  count(outcome);
  if (tookMs > deadlineSeconds * 1_000 + slackMs) return `took ${tookMs} ms`;
  // A stream of messages where one is expected is refused by whoever sees it first.
  const malformed = takesOneMessage(sent.path) && sent.messages.length !== 1;
  if (malformed && outcome !== "OK" && !outcome.startsWith("reset")) return undefined;
  const letIn = !/ |^reset|^UNAUTHENTICATED|^PERMISSION_DENIED|^UNAVAILABLE/.test(outcome);
  const well = letIn ? right.includes("let in") && !malformed : (right as readonly string[]).includes(outcome);
  return well ? undefined : `${outcome} in place of ${right.join(" or ")}${malformed ? ", and malformed" : ""}`;
}

const starts = () => Promise.all(serviceNames.map((name) => stack[name].startedAs()));

test("every way in lets a call in that nothing was done to", async () => {
  for (const way of ways.keys()) expect([way, await problemOf({ way, changes: [] })]).toEqual([way, undefined]);
});

test("what was found before is not found again", async () => {
  const kept = globSync("*.json", { cwd: regressions });
  for (const file of kept) {
    const plan = JSON.parse(readFileSync(regressions + file, "utf8")) as Plan;
    expect([file, await problemOf(plan)]).toEqual([file, undefined]);
  }
  expect(kept.length).toBeGreaterThan(0);
});

test("any call, with anything done to it, is let in or refused as the model says", {
  timeout: seconds * 1_000 + 120_000,
}, async () => {
  console.log(`Fuzzing the services for ${seconds} s with ZT_FUZZ_SEED=${seed}`);
  const before = await starts();
  const counts = new Map<string, number>();
  const plan: fc.Arbitrary<Plan> = fc.record({
    way: fc.constantFrom(...ways.keys()),
    changes: fc.array(change, { minLength: 1, maxLength: 4 }),
  });
  const property = fc.asyncProperty(plan, async (planned) => {
    const problem = await problemOf(planned, (outcome) => counts.set(outcome, (counts.get(outcome) ?? 0) + 1));
    if (problem !== undefined) throw new Error(problem);
  });
  const result = await fc.check(property, {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    plugins: [fc.interruptAfterTimeLimit(seconds * 1_000)],
  });
  console.log(
    [...counts]
      .toSorted(([one], [other]) => one.localeCompare(other))
      .map(([outcome, count]) => `${count} ${outcome}`)
      .join(", "),
  );
  // A plugin costs the type of what is found.
  const [found] = (result.counterexample ?? []) as readonly Plan[];
  if (found !== undefined) keep(found, result.errorInstance);
  expect(await starts()).toEqual(before);
  expect((await stack.effects()).ledgerSum).toBe(0);
  expect(counts.get("OK") ?? 0).toBeGreaterThan(0);
});

/** Keeps a failure, as small as it was found, for every run to come. */
function keep(plan: Plan, error: unknown): never {
  const file = `${seed}.json`;
  mkdirSync(regressions, { recursive: true });
  writeFileSync(regressions + file, `${JSON.stringify(plan, null, 2)}\n`);
  const why = error instanceof Error ? error.message : String(error);
  throw new Error(`${why}; kept as test/fuzz/regressions/${file}: ${JSON.stringify(plan)}`);
}
