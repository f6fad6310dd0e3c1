import { createCa, type TestCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { connect, hmac } from "../src/client.ts";
import { newSigningKey, signingSecret } from "../src/hmac/keys.ts";
import { Credential, definePolicy, type Rule } from "../src/index.ts";
import * as server from "../src/server.ts";
import { ping } from "./ping-client.ts";
import { pingDefinition, startPingServer } from "./ping-server.ts";

const audience = "https://ping.production.internal";
const startMs = 1_795_000_000_000;
const signed: Rule[] = [{ credentials: [Credential.HMAC], scopes: ["read:test"] }];
const open: Rule[] = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const policies = [definePolicy(pingDefinition, { Ping: signed, PingMany: signed, PingSum: open, PingEach: open })];
const { id: keyId, secret } = newSigningKey();
const key = { id: keyId, client: "partner", audience, scopes: new Set(["read:test"]), secret: signingSecret(secret) };

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});

/** A verifier and a caller, each with a clock of its own. */
async function start(callerAheadSeconds: number) {
  const clocks = { verifierMs: startMs, callerMs: startMs + callerAheadSeconds * 1000 };
  // An hour old, so that it knows every timestamp of the window.
  const newStore = (nowMs: number) => server.memoryNonceStore({ now: () => nowMs - 3_600_000 });
  let store = newStore(startMs);
  const nonces: string[] = [];
  const claim: server.NonceStore["claim"] = (use) => {
    nonces.push(use.hash);
    return store.claim(use);
  };
  const pings = await startPingServer(ca, {
    policies,
    grants: { current: () => new Map() },
    credentials: [
      server.hmac({ keys: { find: (id) => (id === keyId ? key : undefined) }, nonces: { claim }, audience }),
    ],
    now: () => clocks.verifierMs,
  });
  const corrections: number[] = [];
  const onClockCorrected = (seconds: number) => void corrections.push(seconds);
  const credentials = [hmac({ keyId, secret, now: () => clocks.callerMs, onClockCorrected })];
  const channels = connect({ channels: await pings.channels("partner"), credentials });
  return {
    call: () => ping(channels),
    /** What the server said to each attempt since the last call. */
    decided: () => pings.events.splice(0).map(({ outcome, reason }) => reason ?? outcome),
    clocks,
    corrections,
    nonces,
    restart: () => {
      store = newStore(clocks.verifierMs);
    },
    [Symbol.asyncDispose]: () => pings[Symbol.asyncDispose](),
  };
}

const refusedThenServed = ["CREDENTIAL_EXPIRED", "allowed"];

describe("H15: a caller whose clock differs from the verifier's", () => {
  test.each([
    ["4 min behind", -240],
    ["5 min behind", -300],
    ["3 s ahead", 3],
    ["5 s ahead", 5],
  ])("is served: %s", async (_what, seconds) => {
    await using all = await start(seconds);
    expect(await all.call()).toBe("OK");
    expect([all.decided(), all.corrections]).toEqual([["allowed"], []]);
  });
  test.each([
    ["6 min behind", -360],
    ["5 min and 1 s behind", -301],
    ["6 s ahead", 6],
    ["1 min ahead", 60],
    ["1 day behind", -86_400],
    ["1 day ahead", 86_400],
  ])("corrects itself once and is served: %s", async (_what, seconds) => {
    await using all = await start(seconds);
    expect(await all.call()).toBe("OK");
    expect(all.decided()).toEqual(refusedThenServed);
    expect(await all.call()).toBe("OK");
    expect([all.decided(), all.corrections]).toEqual([["allowed"], [-seconds]]);
    expect(new Set(all.nonces).size).toBe(2);
  });
  test.each([
    ["more than a day behind", -86_402],
    ["more than a day ahead", 86_402],
    ["20 years behind", -630_720_000],
  ])("is told so and does not follow a clock that is none: %s", async (_what, seconds) => {
    await using all = await start(seconds);
    const refused = "UNAUTHENTICATED CREDENTIAL_EXPIRED";
    expect([await all.call(), await all.call()]).toEqual([refused, refused]);
    expect([all.decided(), all.corrections, all.nonces]).toEqual([
      ["CREDENTIAL_EXPIRED", "CREDENTIAL_EXPIRED"],
      [],
      [],
    ]);
  });
  test("corrects itself once for a hundred calls at a time, and none of them is a replay", async () => {
    await using all = await start(-360);
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => all.call()));
    expect(new Set(outcomes)).toEqual(new Set(["OK"]));
    expect([all.corrections, new Set(all.nonces).size, all.nonces.length]).toEqual([[360], 100, 100]);
    expect(new Set(all.decided())).toEqual(new Set(refusedThenServed));
  });
  test("follows the verifier's clock when that jumps, and when it jumps back: never a replay", async () => {
    await using all = await start(0);
    expect([await all.call(), all.decided()]).toEqual(["OK", ["allowed"]]);
    all.clocks.verifierMs += 3_600_000;
    expect([await all.call(), all.decided()]).toEqual(["OK", refusedThenServed]);
    all.clocks.verifierMs -= 3_600_000;
    // The store has forgotten what it saw an hour ago, by its clock: it can let nobody in, and does not say "replayed".
    expect(await all.call()).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
    expect(all.decided()).toEqual(["CREDENTIAL_EXPIRED", "CHECK_UNAVAILABLE"]);
    all.restart();
    expect([await all.call(), all.decided()]).toEqual(["OK", ["allowed"]]);
    expect(all.corrections).toEqual([3600, 0]);
    expect(new Set(all.nonces).size).toBe(all.nonces.length);
  });
  test("follows its own clock again when somebody has set that right", async () => {
    await using all = await start(-360);
    expect([await all.call(), all.decided()]).toEqual(["OK", refusedThenServed]);
    all.clocks.callerMs = all.clocks.verifierMs;
    expect([await all.call(), all.decided()]).toEqual(["OK", refusedThenServed]);
    expect([await all.call(), all.decided()]).toEqual(["OK", ["allowed"]]);
    expect(all.corrections).toEqual([360, 0]);
  });
});
