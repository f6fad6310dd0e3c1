import { afterAll, beforeAll, test } from "vitest";
import { rowOf } from "../catalogue.ts";
import { type Deployed, type Stack, serviceNames } from "../stack/stack.ts";
import { startStack } from "../stack/start.ts";
import { unlimited } from "../stack/unlimited.ts";
import { type Observation, type Observe, observeIn } from "./observation.ts";
import { Trial } from "./trial.ts";

/** How long one scenario may take, in milliseconds: a bound for what hangs. */
const timeoutMs = 120_000;
/** A fleet in containers is eight of them, each of which is waited for; on a busy machine that takes its time. */
const startTimeoutMs = 600_000;

/** Makes a test of a row of the catalogue. */
export type Scenario<S extends Deployed = Stack> = (
  /** The row. */
  id: string,
  /** What the test shows, as a claim. */
  claim: string,
  run: (trial: Trial<S>) => Promise<void>,
) => void;

/**
 * What limits would shut is shut here by what it is about: a workload that sends a thousand wrong tokens, one after the other, gets as many
 * answers of the verifier. That limits shut it too is for the rows that are about them.
 */
const startUnlimited = async () => await startStack({ environmentOf: () => unlimited });

/**
 * Starts a stack for the scenarios of one file, and stops it after them.
 *
 * @param prepare - what they all need of it
 * @param start - in place of the stack that every file gets, which has no limits
 */
export function scenariosOn(
  prepare: (stack: Stack) => Promise<void> = async () => undefined,
  start: () => Promise<Stack> = startUnlimited,
): Scenario {
  return scenariosOf(start, { prepare });
}

/**
 * Starts what the scenarios of one file need in place of the stack that others get, and stops it after them.
 *
 * @param options - `canStart`: whether it can be had here; the scenarios are passed over otherwise
 */
export function scenariosOf<S extends Deployed>(
  start: () => Promise<S>,
  options: { readonly prepare?: (stack: S) => Promise<void>; readonly canStart?: boolean } = {},
): Scenario<S> {
  const { prepare = async () => undefined, canStart = true } = options;
  let stack: S | undefined;
  beforeAll(async () => {
    if (!canStart) return;
    stack = await start();
    await prepare(stack);
  }, startTimeoutMs);
  afterAll(() => stack?.[Symbol.asyncDispose]());

  return function scenario(id, claim, run) {
    const row = rowOf(id);
    test.runIf(canStart)(`${id}: ${claim}`, { timeout: timeoutMs }, async ({ task }) => {
      if (stack === undefined) throw new Error("The stack did not start.");
      const observations: Observation[] = [];
      task.meta.scenario = { id, driver: stack.driver, observations };
      const trial = new Trial(stack, observeIn(observations, row));
      const before = await starts(stack);
      await run(trial);
      if (observations.length === 0) throw new Error(`${id} has observed nothing.`);
      // Whatever was done to them, the services are the same processes, but for those that the scenario ended.
      await trial.livesOn(before, await starts(stack));
    });
  };
}

/** Makes a test of a row that needs no stack: what it needs, it starts itself, on this machine whatever the driver. */
export function scenarioAlone(id: string, claim: string, run: (observe: Observe) => Promise<void>): void {
  const row = rowOf(id);
  test(`${id}: ${claim}`, { timeout: timeoutMs }, async ({ task }) => {
    const observations: Observation[] = [];
    task.meta.scenario = { id, driver: "processes", observations };
    await run(observeIn(observations, row));
    if (observations.length === 0) throw new Error(`${id} has observed nothing.`);
  });
}

/** What tells each service's present start from another. */
async function starts(stack: Deployed): Promise<ReadonlyMap<string, string | undefined>> {
  return new Map(await Promise.all(serviceNames.map(async (name) => [name, await stack[name].startedAs()] as const)));
}
