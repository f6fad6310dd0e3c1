import { expect, test } from "vitest";
import { z } from "zod";
import { readConfig } from "./config.ts";
import { limitsOf, limitVariables } from "./limit-variables.ts";

const read = (environment: Record<string, string>) => limitsOf(readConfig(z.object(limitVariables), environment));

test("sets nothing that is not said", () => {
  expect(read({})).toEqual({});
});

test.each([
  ["500/s", { perSecond: 500, burst: 1_000 }],
  ["500/s:50", { perSecond: 500, burst: 50 }],
  ["0.5/s", { perSecond: 0.5, burst: 1 }],
  ["0.0001/s:1", { perSecond: 0.0001, burst: 1 }],
  ["1000000/s:1000000", { perSecond: 1_000_000, burst: 1_000_000 }],
])("reads %s", (value, rate) => {
  for (const [name, limit] of [
    ["ZT_LIMIT_PEER", "peer"],
    ["ZT_LIMIT_CLIENT", "client"],
    ["ZT_LIMIT_FAILURES", "failures"],
  ] as const) {
    expect(read({ [name]: value })).toEqual({ [limit]: rate });
  }
});

test("reads other limits for some, with or without one for the rest", () => {
  const others = new Map([["order-service", { perSecond: 2_000, burst: 4_000 }]]);
  expect(read({ ZT_LIMIT_CLIENT: "5/s:7,order-service=2000/s" })).toEqual({
    client: { perSecond: 5, burst: 7, others },
  });
  expect(read({ ZT_LIMIT_CLIENT: "order-service=2000/s" })).toEqual({
    client: { perSecond: 500, burst: 1_000, others },
  });
  const spiffeId = "spiffe://production.internal/order-service";
  expect(read({ ZT_LIMIT_PEER: `${spiffeId}=1/s:1,3/s` })).toEqual({
    peer: { perSecond: 3, burst: 6, others: new Map([[spiffeId, { perSecond: 1, burst: 1 }]]) },
  });
});

const rate = "must be calls a second, and how many at once, from 0.0001 to 1000000";
test.each([
  ["ZT_LIMIT_PEER", "many", rate],
  ["ZT_LIMIT_PEER", "100", rate],
  ["ZT_LIMIT_PEER", "100/m", rate],
  ["ZT_LIMIT_PEER", "-1/s", rate],
  ["ZT_LIMIT_PEER", "0/s", rate],
  ["ZT_LIMIT_PEER", "1e3/s", rate],
  ["ZT_LIMIT_PEER", "1/s:0", rate],
  ["ZT_LIMIT_PEER", "1/s:1.5", rate],
  ["ZT_LIMIT_PEER", "9999999/s", rate],
  ["ZT_LIMIT_PEER", "0.00001/s", rate],
  ["ZT_LIMIT_FAILURES", "1/s, 2/s", "must say each limit once"],
  ["ZT_LIMIT_CLIENT", "a=1/s,a=2/s", "must say each limit once"],
  ["ZT_LIMIT_CLIENT", "1/s,", "must say each limit once"],
  ["ZT_LIMIT_CLIENT", "Order=1/s", "must name client ids"],
  ["ZT_LIMIT_CLIENT", "=1/s", "must name client ids"],
  ["ZT_LIMIT_PEER", "order-service=1/s", "must name SPIFFE IDs"],
])("refuses %s=%s", (name, value, sentence) => {
  expect(() => read({ [name]: value })).toThrow(new RegExp(`^${name} ${sentence}, such as .*; it`, "u"));
});
