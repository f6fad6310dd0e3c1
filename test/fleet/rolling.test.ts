import { afterAll, beforeAll, expect, test } from "vitest";
import { startProcesses } from "../stack/process-stack.ts";
import type { Stack } from "../stack/stack.ts";
import { unlimited } from "../stack/unlimited.ts";
import { isWhole, MeasuringTable } from "./measured.ts";
import { rollAuthority, rollLeaves, rollLeavesWithoutIssuer, rollLists } from "./roll-certificates.ts";
import { rollApiKey, rollIssuerKey, rollSigningKeys } from "./roll-keys.ts";
import { type Rolled, rolledStack } from "./rolled.ts";
import { headOfRollings, type Rolling, rollUnderLoad, rowOf } from "./rolling.ts";

// On one process of each service, where every attempt counts. `pnpm test:fleet` rolls all of it, and longer.
let stack: Stack;
let rolled: Rolled;
const table = new MeasuringTable("rolling", headOfRollings);
beforeAll(async () => {
  stack = await startProcesses({ environmentOf: () => unlimited });
  rolled = rolledStack(stack);
});
afterAll(async () => {
  table.close();
  await stack[Symbol.asyncDispose]();
});

const certificates: readonly Rolling[] = [
  isWhole
    ? { what: "every leaf certificate, every 2 s for a minute", roll: (them) => rollLeaves(them, 30, 2_000) }
    : { what: "every leaf certificate, three times within six seconds", roll: (them) => rollLeaves(them, 3, 2_000) },
  { what: "every leaf certificate, while the issuer is down", roll: rollLeavesWithoutIssuer },
  { what: "the CA: both, new leaves, the old one gone", roll: rollAuthority },
  { what: "the revocation lists, signed anew", roll: rollLists },
];
const keys: readonly Rolling[] = isWhole
  ? [
      { what: "an API key: second secret, change, end of the first", roll: rollApiKey },
      { what: "the signing keys of storefront and order-service", roll: rollSigningKeys },
      { what: "the issuer's key: both, the new one signs, the old one gone", roll: rollIssuerKey },
    ]
  : [
      {
        what: "an API key, and the signing keys of storefront and order-service",
        async roll(them) {
          const retired = await Promise.all([rollApiKey(them), rollSigningKeys(them)]);
          return async () => void (await Promise.all(retired.map((isGone) => isGone())));
        },
      },
    ];

test.each([...certificates, ...keys])(
  "no call fails while $what is replaced, nor does an attempt",
  { timeout: 300_000 },
  async (rolling) => {
    const figures = await rollUnderLoad(rolled, rolling);
    table.add(...rowOf(figures));
    expect(figures.failures).toEqual([]);
    // On a busy machine somebody may have waited too long for an attempt, and made another.
    expect(figures.hidden.filter((each) => !each.startsWith("abandoned"))).toEqual([]);
    expect(figures.calls).toBeGreaterThan(10);
  },
);
