import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newApiKey } from "./format.ts";
import { faultOfApiKey, parseApiKeys } from "./records.ts";

const { id, sha256 } = newApiKey("live");
const entry = { id, client: "reporting", audience: "https://x", scopes: ["read:test"], secrets: [{ sha256 }] };
const parse = (changes: object) => parseApiKeys({ keys: [{ ...entry, ...changes }] }).get(id);

function outcomeOf(json: unknown): string {
  try {
    const faults = [...parseApiKeys(json).values()].map(faultOfApiKey).filter((fault) => fault !== undefined);
    return faults[0] ?? "sound";
  } catch (error) {
    return (error as Error).name;
  }
}

describe("an API key file", () => {
  test("has one entry an id: a revoked one must not hide behind another", () => {
    const twice = { keys: [{ ...entry, revokedAt: "2026-01-01T00:00:00Z" }, entry] };
    expect(() => parseApiKeys(twice)).toThrow(`keys[1] is a second entry for ${id}`);
  });
  test("is read whole", () => {
    const workload = "spiffe://production.internal/reporting";
    expect(
      parse({
        workloads: [workload],
        createdAt: "2026-01-01T00:00:00Z",
        expiresAt: "2026-01-02T00:00:00.5Z",
        revokedAt: "2026-01-03T00:00:00Z",
        secrets: [
          { sha256, createdAt: "2026-01-01T00:00:00Z" },
          { sha256: "0".repeat(64), expiresAt: "2026-01-04T00:00:00Z" },
        ],
      }),
    ).toEqual({
      id,
      client: "reporting",
      audience: "https://x",
      scopes: new Set(["read:test"]),
      workloads: new Set([workload]),
      expiresAtMs: Date.UTC(2026, 0, 2) + 500,
      revokedAtMs: Date.UTC(2026, 0, 3),
      secrets: [{ sha256 }, { sha256: "0".repeat(64), expiresAtMs: Date.UTC(2026, 0, 4) }],
    });
  });
  test.each<[string, object, RegExp]>([
    ["an id out of its grammar", { id: "__proto__" }, /"id"/],
    ["a mistyped key", { scope: [] }, /unknown key "scope"/],
    ["a day that is none", { expiresAt: "2026-02-30T00:00:00Z" }, /"expiresAt" that is no time/],
    ["a time with an offset", { expiresAt: "2026-02-20T00:00:00+01:00" }, /"expiresAt"/],
    ["a time that is a number", { revokedAt: 1 }, /no text "revokedAt"/],
    ["an upper-case digest", { secrets: [{ sha256: sha256.toUpperCase() }] }, /"sha256"/],
    ["no secret", { secrets: [] }, /no secret/],
    ["three secrets", { secrets: ["1", "2", "3"].map((digit) => ({ sha256: digit.repeat(64) })) }, /more than two/],
    ["the same secret twice", { secrets: [{ sha256 }, { sha256 }] }, /same secret twice/],
    ["a key next to its digest", { secrets: [{ sha256, key: "sk-live" }] }, /unknown key "key"/],
    ["a workload that is no SPIFFE ID", { workloads: ["reporting"] }, /SPIFFE/],
  ])("with %s is refused in a sentence", (_name, changes, message) => {
    expect(() => parse(changes)).toThrow(message);
  });
  test("whatever it holds, is refused in a sentence or gives sound records", () => {
    const mostly = (value: unknown) => fc.oneof({ weight: 90, arbitrary: fc.constant(value) }, fc.jsonValue());
    const secret = fc.record(
      { sha256: mostly(sha256), expiresAt: mostly("2026-01-02T00:00:00Z") },
      { requiredKeys: ["sha256"] },
    );
    const almost = fc.record(
      {
        id: mostly(id),
        client: mostly("reporting"),
        audience: mostly("https://x"),
        scopes: mostly(["read:test"]),
        workloads: mostly(["spiffe://production.internal/reporting"]),
        expiresAt: mostly("2026-01-02T00:00:00Z"),
        secrets: fc.oneof({ weight: 30, arbitrary: fc.array(secret, { maxLength: 2 }) }, fc.jsonValue()),
      },
      { requiredKeys: ["id", "client", "audience", "scopes", "secrets"] },
    );
    const keys = fc.array(fc.oneof({ weight: 30, arbitrary: almost }, fc.jsonValue()), { maxLength: 2 });
    const outcomes = new Map<string, number>();
    fc.assert(
      fc.property(fc.oneof({ weight: 9, arbitrary: fc.record({ keys }) }, fc.jsonValue()), (json) => {
        const outcome = outcomeOf(json);
        expect(["sound", "JsonShapeError", "SpiffeIdError"]).toContain(outcome);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }),
      { numRuns: 1_000 },
    );
    expect(outcomes.get("sound")).toBeGreaterThan(100);
    expect(outcomes.get("JsonShapeError")).toBeGreaterThan(100);
  });
});
