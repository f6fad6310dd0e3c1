import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, expect, test } from "vitest";
import { askForToken, tokenIn } from "../test/requests.ts";
import { newSigningKey, type StartedIssuer, startIssuer, writeIssuerFile } from "../test/start-issuer.ts";

const LEAD_MS = 60_000;

let folder: string;
let nowMs: number;
let started: StartedIssuer;
let old: Record<string, unknown>;
let next: Record<string, unknown>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "key-ring-"));
  nowMs = Date.now();
  [old, next] = [await newSigningKey("old"), await newSigningKey("next")];
  started = await startIssuer({ folder, keys: [old], now: () => nowMs });
});
afterEach(async () => {
  await started[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function restart(): Promise<void> {
  const { ca } = started;
  await started[Symbol.asyncDispose]();
  started = await startIssuer({ folder, ca, now: () => nowMs });
}

/** The key that signs in the round of now. */
async function signer(): Promise<string | undefined> {
  await started.refresh();
  return decodeProtectedHeader(tokenIn(await askForToken(started)).token).kid;
}

async function published(): Promise<readonly string[]> {
  const { body } = await started.ask({ as: started.storefront, method: "GET", path: "/.well-known/jwks.json" });
  return (body["keys"] as { kid: string }[]).map(({ kid }) => kid);
}

const warnings = () =>
  started.lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ msg }) => /withdrawn/u.test(String(msg)));

test("the first key of a new database signs at once", async () => {
  expect(await signer()).toBe("old");
});

test("a new key is published at once and signs when it has been for the lead, the old one until then", async () => {
  await started.change("keys", { keys: [old, next] });
  expect(await published()).toEqual(["old", "next"]);
  expect(await signer()).toBe("old");
  nowMs += LEAD_MS - 1;
  expect(await signer()).toBe("old");
  nowMs += 1;
  expect(await signer()).toBe("next");
  nowMs += 10 * LEAD_MS;
  expect(await signer()).toBe("next");
  expect(await published()).toEqual(["old", "next"]);
});

test("a verifier that fetches the keys every lead never sees a kid that it does not know", async () => {
  const step = 7_000;
  let [fetched, fetchedMs] = [await published(), nowMs];
  const seen = new Set<string>();
  const rotations = [
    [old, next],
    [old, next, await newSigningKey("third")],
    [next, await newSigningKey("fourth")],
  ];
  for (let turn = 0; turn < 40; turn += 1) {
    if (turn % 12 === 1 && rotations.length > 0) await started.change("keys", { keys: rotations.shift() });
    const kid = (await signer()) ?? "";
    seen.add(kid);
    expect(fetched).toContain(kid);
    nowMs += step;
    if (nowMs - fetchedMs + step > LEAD_MS) [fetched, fetchedMs] = [await published(), nowMs];
  }
  expect([...seen]).toEqual(["old", "next", "third", "fourth"]);
});

test("of keys that are published at once, the newest signs after the lead, and the oldest before", async () => {
  const made = (key: Record<string, unknown>, day: number) => ({ ...key, createdAt: `2026-01-0${day}T00:00:00Z` });
  await started.change("keys", { keys: [made(next, 2), made(await newSigningKey("older"), 1)] });
  expect(await signer()).toBe("older");
  nowMs += LEAD_MS;
  expect(await signer()).toBe("next");
});

test("I6: a key that leaves the file is withdrawn at once, with a warning when tokens that it signed are good", async () => {
  expect(await signer()).toBe("old");
  await started.change("keys", { keys: [next] });
  expect(await published()).toEqual(["next"]);
  expect(await signer()).toBe("next");
  expect(warnings()).toEqual([expect.objectContaining({ kid: "old", lastTokenEnds: expect.any(String) as string })]);
});

test("there is no warning when the key's last token has ended, and after a restart there still is one before", async () => {
  await started.change("keys", { keys: [old, next] });
  await signer();
  nowMs += LEAD_MS;
  expect(await signer()).toBe("next");
  await restart();
  await started.change("keys", { keys: [old] });
  expect(warnings()).toMatchObject([{ kid: "next" }]);
  nowMs += 2 * 300_000;
  await started.change("keys", { keys: [await newSigningKey("third")] });
  expect(warnings()).toHaveLength(1);
});

test("a restart goes on with the key that signs, and lets one that waits wait anew", async () => {
  await started.change("keys", { keys: [old, next] });
  expect(await signer()).toBe("old");
  nowMs += LEAD_MS;
  await restart();
  expect(await signer()).toBe("old");
  nowMs += LEAD_MS;
  expect(await signer()).toBe("next");
  await restart();
  expect(await signer()).toBe("next");
});

test("a key that comes back waits anew", async () => {
  await started.change("keys", { keys: [old, next] });
  nowMs += LEAD_MS;
  expect(await signer()).toBe("next");
  await started.change("keys", { keys: [old] });
  await started.change("keys", { keys: [old, next] });
  expect(await signer()).toBe("old");
});

test("a key under the name of another is a new one, which waits, also after a restart", async () => {
  await started.change("keys", { keys: [old, next] });
  nowMs += LEAD_MS;
  expect(await signer()).toBe("next");
  const { ca } = started;
  await started[Symbol.asyncDispose]();
  writeIssuerFile(folder, "keys", { keys: [old, await newSigningKey("next")] });
  started = await startIssuer({ folder, ca, now: () => nowMs });
  expect(await signer()).toBe("old");
  await started.change("keys", { keys: [old, await newSigningKey("next")] });
  nowMs += LEAD_MS - 1;
  expect(await signer()).toBe("old");
  nowMs += 1;
  expect(await signer()).toBe("next");
});

test("a clock that is set back or forward makes no key sign before its time", async () => {
  const { ca } = started;
  await started[Symbol.asyncDispose]();
  let monotonicMs = 0;
  started = await startIssuer({ folder, ca, now: () => nowMs, monotonicMs: () => monotonicMs });
  expect(await signer()).toBe("old");
  nowMs -= 3_600_000;
  await started.change("keys", { keys: [old, next] });
  expect(await signer()).toBe("old");
  nowMs += 7_200_000;
  expect(await signer()).toBe("old");
  monotonicMs += LEAD_MS - 1;
  expect(await signer()).toBe("old");
  monotonicMs += 1;
  expect(await signer()).toBe("next");
});

test("no request is lost while keys change", async () => {
  const asking = Array.from({ length: 20 }, () => askForToken(started));
  await started.change("keys", { keys: [old, next] });
  asking.push(...Array.from({ length: 20 }, () => askForToken(started)));
  expect((await Promise.all(asking)).map(({ status }) => status)).toEqual(asking.map(() => 200));
});

test("a file that is no good changes nothing, and is complained about without what is in it", async () => {
  await started.change("keys", { keys: [{ ...next, d: old["d"] }] });
  await started.refresh();
  expect(await published()).toEqual(["old"]);
  expect(await signer()).toBe("old");
  const complaints = started.lines.filter((line) => line.includes("the version before stays in force"));
  expect(complaints).toHaveLength(1);
  expect(complaints[0]).toContain("keys.0 is not a key pair");
  for (const key of [old, next]) expect(started.lines.join("")).not.toContain(String(key["d"]));
});
