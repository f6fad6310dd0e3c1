import { describe, expect, test } from "vitest";
import { hmac } from "./client.ts";
import { correctedClock } from "./clock-correction.ts";
import { newSigningKey } from "./keys.ts";

const ownSeconds = 1_795_000_000;

function start() {
  const corrections: number[] = [];
  const clock = correctedClock(
    () => ownSeconds * 1000,
    (seconds) => corrections.push(seconds),
  );
  return { clock, corrections };
}

describe("correctedClock", () => {
  test.each([
    [-301, true],
    [-300, false],
    [0, false],
    [5, false],
    [6, true],
  ])("takes a timestamp that was %i s ahead of the server for the cause: %s", (ahead, isCause) => {
    const { clock, corrections } = start();
    expect(clock.refused(ownSeconds, ownSeconds - ahead)).toBe(isCause);
    expect(clock.seconds()).toBe(isCause ? ownSeconds - ahead : ownSeconds);
    expect(corrections).toEqual(isCause ? [-ahead] : []);
  });
  test.each([Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 999_999_999_999, ownSeconds + 86_401, ownSeconds - 86_401])(
    "does not follow a server whose time is %d",
    (serverSeconds) => {
      const { clock, corrections } = start();
      expect(clock.refused(ownSeconds, serverSeconds)).toBe(false);
      expect([clock.seconds(), corrections]).toEqual([ownSeconds, []]);
    },
  );
  test("keeps to ten digits, whatever a server says", () => {
    const corrections: number[] = [];
    const clock = correctedClock(
      () => 1_000_000_000_000,
      (seconds) => corrections.push(seconds),
    );
    expect(clock.refused(1_000_000_000, 999_999_000)).toBe(false);
    expect(corrections).toEqual([]);
  });
  test("keeps to itself where an attempt was slow, or had been let in long ago", () => {
    const { clock, corrections } = start();
    expect(clock.refused(ownSeconds - 400, ownSeconds - 1)).toBe(true);
    expect([clock.seconds(), corrections]).toEqual([ownSeconds, []]);
  });
  test("goes by the clock of now, and not by that of the attempt", () => {
    const { clock } = start();
    expect(clock.refused(ownSeconds - 100, ownSeconds + 3_600)).toBe(true);
    expect(clock.seconds()).toBe(ownSeconds + 3_600);
  });
  test("knows nothing of an attempt that has presented no timestamp", () => {
    const { clock } = start();
    expect(clock.refused(Number.NaN, ownSeconds + 3_600)).toBe(false);
  });
});

test.each([
  ["CREDENTIAL_EXPIRED", true],
  ["CREDENTIAL_INVALID", false],
  [undefined, false],
])("hmac corrects its clock for one reason alone: %s, %s", (reason, isCorrected) => {
  const { id: keyId, secret } = newSigningKey();
  const presenter = hmac({ keyId, secret, now: () => ownSeconds * 1000 });
  const presented = { "x-timestamp": String(ownSeconds) };
  expect(presenter.refused?.({ reason, serverTimeSeconds: ownSeconds + 360, presented })).toBe(isCorrected);
});
