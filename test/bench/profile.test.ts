import { expect, test } from "vitest";
import { type Profile, sharesOf } from "./profile.ts";

const ran = [
  ["(idle)", "", 50],
  ["post", "node:inspector", 70],
  ["(garbage collector)", "", 10],
  ["writev", "", 20],
  ["request", "node:internal/http2/core", 5],
  ["verify", "file:///srv/checkout/packages/auth/dist/attempt.js", 25],
  ["judge", "file:///srv/checkout/packages/auth/dist/bearer/server.js", 5],
  [
    "start",
    "file:///srv/checkout/node_modules/.pnpm/@grpc+grpc-js@1/node_modules/@grpc/grpc-js/build/src/server.js",
    30,
  ],
  ["ping", "file:///srv/checkout/test/bench/servers/ping-definition.ts", 5],
] as const;

const profile: Profile = {
  nodes: ran.map(([functionName, url], id) => ({ id, callFrame: { functionName, url } })),
  samples: ran.map((_, id) => id),
  timeDeltas: ran.map(([, , time]) => time),
};

test("time is of whose code it was, of the time that was not idle, the most first", () => {
  expect(sharesOf(profile, { used: 100, usedByMainThread: 100 })).toEqual([
    { of: "@zero-trust/auth", share: 0.3 },
    { of: "@grpc/grpc-js", share: 0.3 },
    { of: "native code", share: 0.2 },
    { of: "garbage collector", share: 0.1 },
    { of: "node:http2", share: 0.05 },
    { of: "the server", share: 0.05 },
    { of: "other threads", share: 0 },
  ]);
});

test("what other threads did is a part of its own, and the profile divides the rest", () => {
  const shares = sharesOf(profile, { used: 100, usedByMainThread: 60 });
  expect(shares[0]).toEqual({ of: "other threads", share: 0.4 });
  expect(shares.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
});
