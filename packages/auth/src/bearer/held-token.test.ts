import { describe, expect, test } from "vitest";
import { type HeldToken, heldToken, TokenUnavailable } from "./held-token.ts";

const startMs = 1_795_000_000_000;

/** A held token whose issuer answers at once with `token-1`, `token-2`, …, or fails. */
function start(options: { readonly random?: () => number; readonly lifeMs?: number } = {}) {
  const { random = () => 0.5, lifeMs = 300_000 } = options;
  const state = { nowMs: startMs, requests: 0, up: true };
  const held = heldToken({
    now: () => state.nowMs,
    random,
    async request() {
      state.requests += 1;
      if (!state.up) throw new Error("The token endpoint issuer:443 cannot be asked: it is on fire");
      return { token: `token-${state.requests}`, lifeMs };
    },
  });
  return { held, state };
}

/** Lets what was asked for ahead of time be answered. */
const settled = async (held: HeldToken) => {
  const token = await held.token();
  await new Promise(setImmediate);
  return token;
};

describe("heldToken", () => {
  test.each([
    [0, 180_000],
    [0.5, 210_000],
    [0.75, 225_000],
  ])("renews at a time that chance decides: %s", async (chance, afterMs) => {
    const { held, state } = start({ random: () => chance });
    await held.token();
    state.nowMs += afterMs - 1_000;
    await settled(held);
    expect(state.requests).toBe(1);
    state.nowMs += 2_000;
    expect(await settled(held)).toBe("token-1");
    expect([state.requests, await held.token()]).toEqual([2, "token-2"]);
  });
  test("spreads a fleet that started together over a minute", async () => {
    const renewed = new Set<number>();
    for (let client = 0; client < 1_000; client += 1) {
      const { held, state } = start({ random: Math.random });
      await held.token();
      while (state.requests < 2) {
        state.nowMs += 1_000;
        await held.token();
      }
      renewed.add(state.nowMs);
    }
    expect(
      [Math.min(...renewed), Math.max(...renewed)].map((atMs) => (atMs - startMs) / 60_000).map(Math.round),
    ).toEqual([3, 4]);
    // That even one of the sixty seconds has none of a thousand clients has a chance of one in 330 000.
    expect(renewed.size).toBeGreaterThan(50);
  });
  test("I8: uses a token that is good while the issuer is down, and then says who is, why, and since when", async () => {
    const { held, state } = start();
    await held.token();
    state.up = false;
    const downMs = startMs + 210_000;
    for (state.nowMs = downMs; state.nowMs < startMs + 295_000; state.nowMs += 5_000) {
      expect(await settled(held)).toBe("token-1");
    }
    const failed = held.token();
    await expect(failed).rejects.toThrow(TokenUnavailable);
    const since = new Date(downMs).toISOString();
    await expect(failed).rejects.toThrow(
      `The token endpoint issuer:443 cannot be asked: it is on fire, since ${since}.`,
    );
    state.up = true;
    state.nowMs += 30_000;
    expect(await held.token()).toMatch(/^token-/);
  });
  test("I8: asks less and less often while the issuer is down, however many calls there are", async () => {
    const { held, state } = start();
    state.up = false;
    const asked: number[] = [];
    for (; state.nowMs < startMs + 120_000; state.nowMs += 250) {
      const before = state.requests;
      await Promise.all([1, 2, 3].map(() => expect(held.token()).rejects.toThrow(TokenUnavailable)));
      if (state.requests > before) asked.push((state.nowMs - startMs) / 1000);
    }
    // Three quarters of 1, 2, 4, 8, 16 and then 30 seconds, since chance is 0.5.
    expect(asked).toEqual([0, 0.75, 2.25, 5.25, 11.25, 23.25, 45.75, 68.25, 90.75, 113.25]);
    state.up = true;
    state.nowMs += 30_000;
    await held.token();
    state.up = false;
    state.nowMs += 300_000;
    const before = state.requests;
    await expect(held.token()).rejects.toThrow(TokenUnavailable);
    state.nowMs += 750;
    await expect(held.token()).rejects.toThrow(TokenUnavailable);
    expect(state.requests - before).toBe(2);
  });
  test("leaves the issuer alone for at most 30 s, whatever chance says", async () => {
    const { held, state } = start({ random: () => 0.999_999 });
    state.up = false;
    for (let failure = 0; failure < 40; failure += 1) {
      await expect(held.token()).rejects.toThrow(TokenUnavailable);
      state.nowMs += 30_000;
    }
    expect(state.requests).toBe(40);
  });
  test("keeps a token that lives for seconds for most of them", async () => {
    const { held, state } = start({ lifeMs: 4_000 });
    expect(await settled(held)).toBe("token-1");
    state.nowMs += 2_000;
    expect([await settled(held), state.requests]).toEqual(["token-1", 1]);
    state.nowMs += 1_600;
    expect(await held.token()).toBe("token-2");
  });
});

describe("a clock that is set back by an hour", () => {
  test("makes no token good for longer, and no refused one safe", async () => {
    const { held, state } = start();
    await held.token();
    state.nowMs -= 3_600_000;
    expect([await held.token(), state.requests]).toEqual(["token-2", 2]);
    expect(held.refused("token-2")).toBe(true);
    await held.token();
    state.nowMs -= 3_600_000;
    await held.token();
    expect([held.refused(await held.token()), state.requests]).toEqual([true, 4]);
  });
  test("keeps nobody from asking an issuer that is back", async () => {
    const { held, state } = start();
    state.up = false;
    await expect(held.token()).rejects.toThrow(TokenUnavailable);
    state.up = true;
    state.nowMs -= 3_600_000;
    expect(await held.token()).toBe("token-2");
  });
});

describe("a token that a server refused", () => {
  test("is replaced, by one request however many calls were refused", async () => {
    const { held, state } = start();
    await held.token();
    const refused = Array.from({ length: 1_000 }, () => held.refused("token-1"));
    expect(new Set(refused)).toEqual(new Set([true]));
    const tokens = await Promise.all(refused.map(async () => await held.token()));
    expect([new Set(tokens), state.requests]).toEqual([new Set(["token-2"]), 2]);
    // Some calls take longer to be refused.
    expect(held.refused("token-1")).toBe(true);
    expect([await held.token(), state.requests]).toEqual(["token-2", 2]);
  });
  test("I10: is not replaced over and over: two requests a minute, whatever is refused", async () => {
    const { held, state } = start();
    for (; state.nowMs < startMs + 60_000; state.nowMs += 100) held.refused(await held.token());
    expect(state.requests).toBe(1 + 2);
  });
  test("is kept while the issuer is down, since another server may take it", async () => {
    const { held, state } = start();
    await held.token();
    state.up = false;
    state.nowMs += 210_000;
    await settled(held);
    expect(held.refused("token-1")).toBe(false);
    expect(await held.token()).toBe("token-1");
  });
  test("is not presented again when the issuer has no other", async () => {
    let requests = 0;
    const request = async () => {
      requests += 1;
      return { token: "the only one", lifeMs: 300_000 };
    };
    const held = heldToken({ request, now: () => startMs, random: () => 0.5 });
    await held.token();
    expect(held.refused("the only one")).toBe(true);
    await held.token();
    expect([held.refused("the only one"), requests]).toEqual([false, 2]);
  });
  test("is nothing to us when it is not ours", async () => {
    const { held, state } = start();
    expect(held.refused("token-1")).toBe(false);
    await held.token();
    expect([held.refused("another"), await held.token(), state.requests]).toEqual([false, "token-1", 1]);
  });
});
