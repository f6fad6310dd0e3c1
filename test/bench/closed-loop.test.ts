import { expect, test } from "vitest";
import { type Call, closedLoop } from "./closed-loop.ts";

const window = { lanes: 3, ms: 50, measured: process.pid, other: process.pid };

/** Calls that take a turn of the event loop, with a look at how many are under way. */
function countedCalls(wrongAt = Number.POSITIVE_INFINITY) {
  const seen = { made: 0, underWay: 0, most: 0 };
  const call: Call = (_lane, done) => {
    seen.made += 1;
    seen.underWay += 1;
    seen.most = Math.max(seen.most, seen.underWay);
    const wrong = seen.made === wrongAt ? "status 16" : undefined;
    setImmediate(() => {
      seen.underWay -= 1;
      done(wrong);
    });
  };
  return { seen, call };
}

test.runIf(process.platform === "linux")(
  "as many calls are under way as there are lanes, and none is left",
  async () => {
    const { seen, call } = countedCalls();
    const said = await closedLoop({ call, ...window });
    expect(seen).toMatchObject({ most: 3, underWay: 0 });
    expect(said.calls).toBeGreaterThan(0);
    expect(said.calls).toBeLessThan(seen.made);
  },
);

test.runIf(process.platform === "linux")("processor time is that of the process", async () => {
  const { call } = countedCalls();
  const { used, ms } = await closedLoop({ call, ...window });
  expect(used).toBeGreaterThan(0);
  expect(used / 1_000).toBeLessThan(ms * 8);
});

test.runIf(process.platform === "linux")("one call that fails fails the window", async () => {
  const { call } = countedCalls(5);
  await expect(closedLoop({ call, ...window })).rejects.toThrow("A call failed: status 16");
});
