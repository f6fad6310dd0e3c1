import { afterEach, expect, test, vi } from "vitest";
import { createLog } from "./log.ts";
import { type Readiness, type ReadinessCheck, watchReadiness } from "./readiness.ts";

const watches: Readiness[] = [];
afterEach(() => {
  for (const each of watches.splice(0)) each.stop();
});

function watch(checks: Record<string, ReadinessCheck>) {
  const records: Record<string, unknown>[] = [];
  const answers: boolean[] = [];
  const readiness = watchReadiness({
    checks,
    log: createLog({
      name: "x",
      destination: { write: (line) => records.push(JSON.parse(line) as Record<string, unknown>) },
    }),
    onAnswer: (ready) => answers.push(ready),
    timeoutMs: 50,
    everyMs: 5,
  });
  watches.push(readiness);
  const said = () => records.map(({ dependency, msg, reason }) => [dependency, msg, reason]);
  return { readiness, said, ready: () => answers.at(-1) };
}

test("is ready at once without anything to depend on", () => {
  expect(watch({}).ready()).toBe(true);
});

test("is not ready before everything has answered", async () => {
  const answer = Promise.withResolvers<boolean>();
  const { readiness, ready } = watch({ keys: () => true, store: () => answer.promise });
  await vi.waitFor(() => expect(ready()).toBe(false));
  answer.resolve(true);
  await readiness.asked;
  expect(ready()).toBe(true);
});

test.each<[string, ReadinessCheck, string]>([
  ["says no", () => false, "it says that it is not"],
  ["says no later", async () => false, "it says that it is not"],
  ["says what is neither", () => "yes" as never, "it says that it is not"],
  [
    "throws",
    () => {
      throw new Error("no disk");
    },
    "no disk",
  ],
  ["rejects", () => Promise.reject(new Error("no disk")), "no disk"],
  ["does not answer", () => new Promise(() => {}), "no answer within 50 ms"],
])("is not ready when a dependency %s, and says which, and why, once", async (_, check, reason) => {
  let asked = 0;
  const counted: ReadinessCheck = () => {
    asked += 1;
    return true;
  };
  const { readiness, said, ready } = watch({ keys: counted, store: check });
  await readiness.asked;
  const before = asked;
  await vi.waitFor(() => expect(asked).toBeGreaterThan(before + 3));
  expect(ready()).toBe(false);
  expect(said()).toEqual([["store", "not ready", reason]]);
});

test("follows each dependency there and back, and writes each change once", async () => {
  const state = { keys: true, store: true };
  const { readiness, said, ready } = watch({ keys: () => state.keys, store: async () => state.store });
  await readiness.asked;
  for (const name of ["keys", "store"] as const) {
    state[name] = false;
    await vi.waitFor(() => expect(ready()).toBe(false));
    state[name] = true;
    await vi.waitFor(() => expect(ready()).toBe(true));
  }
  expect(said()).toEqual([
    ["keys", "not ready", "it says that it is not"],
    ["keys", "ready again", undefined],
    ["store", "not ready", "it says that it is not"],
    ["store", "ready again", undefined],
  ]);
});

test("asks a dependency that hangs no more until it answers, and then it is ready again", async () => {
  const answer = Promise.withResolvers<boolean>();
  let asked = 0;
  let others = 0;
  const { readiness, ready, said } = watch({
    store: () => {
      asked += 1;
      return answer.promise;
    },
    keys: () => {
      others += 1;
      return true;
    },
  });
  await readiness.asked;
  await vi.waitFor(() => expect(others).toBeGreaterThan(5));
  expect({ asked, ready: ready() }).toEqual({ asked: 1, ready: false });
  answer.resolve(true);
  await vi.waitFor(() => expect(ready()).toBe(true));
  expect(said()).toEqual([
    ["store", "not ready", "no answer within 50 ms"],
    ["store", "ready again", undefined],
  ]);
});

test("asks nothing any more when it is stopped, and nobody waits for it", async () => {
  let asked = 0;
  const { readiness, ready } = watch({
    store: () => {
      asked += 1;
      return new Promise(() => {});
    },
  });
  readiness.stop();
  await readiness.asked;
  expect({ asked, ready: ready() }).toEqual({ asked: 1, ready: undefined });
});
