import { afterAll, beforeAll, expect, test } from "vitest";
import { startProcesses } from "../stack/process-stack.ts";
import type { Stack } from "../stack/stack.ts";
import { unlimited } from "../stack/unlimited.ts";
import { rollAuthority, rollLeaves, rollLists } from "./roll-certificates.ts";
import { rollApiKey, rollSigningKeys } from "./roll-keys.ts";
import { type Rolled, rolledStack } from "./rolled.ts";
import { type Rolling, rollUnderLoad } from "./rolling.ts";

// Short; `pnpm test:fleet` rolls more, and longer.
let stack: Stack;
let rolled: Rolled;
beforeAll(async () => {
  stack = await startProcesses({ environmentOf: () => unlimited });
  rolled = rolledStack(stack);
});
afterAll(async () => await stack[Symbol.asyncDispose]());

const rollings: readonly Rolling[] = [
  { what: "every leaf certificate, three times within six seconds", roll: (them) => rollLeaves(them, 3, 2_000) },
  { what: "the CA", roll: rollAuthority },
  { what: "the revocation lists", roll: rollLists },
  {
    what: "an API key, and the signing keys of storefront and order",
    async roll(them) {
      const retired = await Promise.all([rollApiKey(them), rollSigningKeys(them)]);
      return async () => void (await Promise.all(retired.map((isGone) => isGone())));
    },
  },
];

test.each(rollings)("no call fails while $what is replaced, nor does an attempt", async (rolling) => {
  const { failures, hidden, ...figures } = await rollUnderLoad(rolled, rolling);
  console.log(figures);
  expect(failures).toEqual([]);
  expect(hidden).toEqual([]);
  expect(figures.calls).toBeGreaterThan(10);
});
