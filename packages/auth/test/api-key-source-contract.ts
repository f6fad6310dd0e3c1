import { Metadata } from "@grpc/grpc-js";
import { expect, test, vi } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import type { ApiKeySource } from "../src/api-key/records.ts";
import { apiKey } from "../src/api-key/server.ts";
import { Credential } from "../src/gen/zerotrust/auth/v1/policy_pb.ts";

/** A source to try, and whoever keeps its keys. */
export interface TriedApiKeys {
  readonly keys: ApiKeySource;
  /** Makes these the entries that there are; what is no good is written all the same. */
  readonly write: (entries: readonly object[]) => void | Promise<void>;
  /** What was told of what is wrong. */
  readonly told: readonly string[];
}

const nowMs = 1_795_000_000_000;
const audience = "https://payment.production.internal";
const spiffeId = "spiffe://production.internal/reporting";
const at = (ms: number) => new Date(nowMs + ms).toISOString();

/** An entry, and the key that is shown for it. */
export interface IssuedEntry {
  readonly id: string;
  readonly key: string;
  readonly sha256: string;
  readonly entry: object;
}

/** Issues a key. */
export function newEntry(changes: object = {}): IssuedEntry {
  const { id, key, sha256 } = newApiKey("live");
  const entry = { id, client: "reporting", audience, scopes: ["read:transactions"], secrets: [{ sha256 }], ...changes };
  return { id, key: key.expose(), sha256, entry };
}

/** What becomes of a key that is shown: `verified`, or the cause. */
export async function shown(keys: ApiKeySource, key: string, atMs: number = nowMs): Promise<string> {
  const metadata = new Metadata();
  metadata.set("x-api-key", key);
  const { finding } = await apiKey({ keys, audience }).verify(metadata, {
    path: "/payment.v1.PaymentService/ListTransactions",
    peer: { spiffeId, trustDomain: "production.internal", thumbprint: "t", serialNumber: "1", notAfterMs: nowMs * 2 },
    nowMs: atMs,
    named: new Set([Credential.API_KEY]),
  });
  return "cause" in finding ? finding.cause : finding.verdict;
}

/**
 * What every source of API keys does.
 *
 * @param start - one that has these entries
 */
export function apiKeySourceContract(start: (entries: readonly object[]) => Promise<TriedApiKeys>): void {
  const becomes = (keys: ApiKeySource, key: string, verdict: string) =>
    vi.waitFor(async () => expect(await shown(keys, key)).toBe(verdict), { timeout: 5_000 });

  test("has what is kept of a key, whole, and nothing under a name of its own", async () => {
    const { id, key, entry, sha256 } = newEntry({ workloads: [spiffeId], createdAt: at(-9), expiresAt: at(60_000) });
    const { keys } = await start([entry, newEntry().entry]);
    expect(await shown(keys, key)).toBe("verified");
    expect(await keys.find(id)).toEqual({
      id,
      client: "reporting",
      audience,
      scopes: new Set(["read:transactions"]),
      workloads: new Set([spiffeId]),
      expiresAtMs: nowMs + 60_000,
      secrets: [{ sha256 }],
    });
    for (const strange of ["__proto__", "constructor", "", newEntry().id])
      expect(await keys.find(strange)).toBe(undefined);
  });
  test("a rotation has both secrets be good, until the older one ends", async () => {
    const old = newEntry();
    const next = newApiKey("live", old.id);
    const secrets = [{ sha256: old.sha256, expiresAt: at(60_000) }, { sha256: next.sha256 }];
    const { keys, write } = await start([old.entry]);
    expect(await shown(keys, old.key)).toBe("verified");
    await write([{ ...old.entry, secrets }]);
    await becomes(keys, next.key.expose(), "verified");
    expect(await shown(keys, old.key)).toBe("verified");
    expect(await shown(keys, old.key, nowMs + 60_000)).toBe("the API key's secret has expired");
    expect(await shown(keys, next.key.expose(), nowMs + 60_000)).toBe("verified");
  });
  test("a key that is revoked ends, one that has expired has, and one that comes late is found", async () => {
    const [one, other, third] = [newEntry(), newEntry({ expiresAt: at(1_000) }), newEntry()];
    const { keys, write } = await start([one.entry, other.entry]);
    expect([await shown(keys, one.key), await shown(keys, other.key)]).toEqual(["verified", "verified"]);
    expect(await shown(keys, other.key, nowMs + 1_000)).toBe("the API key has expired");
    expect(await shown(keys, third.key)).toBe("no such API key");
    await write([{ ...one.entry, revokedAt: at(-1) }, third.entry]);
    await becomes(keys, one.key, "the API key is revoked");
    await becomes(keys, third.key, "verified");
    await vi.waitFor(async () => expect(await shown(keys, other.key)).not.toBe("verified"), { timeout: 5_000 });
  });
  test("an entry that is no good lets nobody in and is told of once", async () => {
    const { keys, write, told } = await start([]);
    const { id, key, entry } = newEntry();
    await write([{ ...entry, scope: [] }]);
    await vi.waitFor(async () => {
      // One source says that there is no such key, and another that it cannot tell.
      expect(await shown(keys, key).catch(() => "not checked")).not.toBe("verified");
      expect(told).toHaveLength(1);
    });
    expect(told[0]).toContain('unknown key "scope"');
    await write([entry]);
    await becomes(keys, key, "verified");
    expect(await keys.find(id)).toBeDefined();
    expect(told).toHaveLength(1);
  });
}
