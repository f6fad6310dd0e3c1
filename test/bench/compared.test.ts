import { expect, test } from "vitest";
import { compare } from "./compared.ts";
import { madeUpCase } from "./made-up-case.ts";

const compareOf = (before: object, after: object) =>
  compare({ cases: [madeUpCase("full", before)] }, { cases: [madeUpCase("full", after)] });

test("a change within the spread is none", () => {
  const [throughput] = compareOf({ throughput: 0.8 }, { throughput: 0.85 });
  expect(throughput).toMatchObject({ figure: "throughput", isBeyondSpread: false });
});

test("a change beyond it is one, and better where there are more calls", () => {
  const [throughput] = compareOf({ throughput: 0.5 }, { throughput: 0.8 });
  expect(throughput).toMatchObject({ isBeyondSpread: true, isBetter: true });
});

test("more processor time is worse", () => {
  const [, processor] = compareOf({ processor: 1.2 }, { processor: 2 });
  expect(processor).toMatchObject({ figure: "processor", isBeyondSpread: true, isBetter: false });
});

test("a case that one of them has not is not compared", () => {
  expect(compare({ cases: [madeUpCase("full", {})] }, { cases: [madeUpCase("naive", {})] })).toEqual([]);
});
