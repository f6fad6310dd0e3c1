import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { ApiKeyUse } from "../src/api-key/use-sampler.ts";
import { connect, apiKey as present } from "../src/client.ts";
import { Credential, definePolicy } from "../src/index.ts";
import { newApiKey } from "../src/issue.ts";
import { apiKey } from "../src/server.ts";
import { apiKeyFile } from "../src/stores/file.ts";
import { ping } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const audience = "https://ping.production.internal";
const open = [{ credentials: [Credential.API_KEY], scopes: ["read:test"] }];
const policies = [definePolicy(pingDefinition, { Ping: open, PingMany: open, PingSum: open, PingEach: open })];
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
const grants = { current: () => new Map() };
const issued = newApiKey("live");
const record = { id: issued.id, client: "reporting", audience, scopes: ["read:test"] };

let ca: TestCa;
let folder: string;
beforeAll(async () => {
  ca = await createCa();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zt-"));
  write({ ...record, secrets: [{ sha256: issued.sha256 }] });
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(...keys: readonly object[]): void {
  writeFileSync(join(folder, "next"), JSON.stringify({ keys }));
  renameSync(join(folder, "next"), join(folder, "keys.json"));
}

/** A server whose keys are in a file that is followed, and a caller from one workload. */
async function start(options: { readonly onUsed?: (use: ApiKeyUse) => void } = {}) {
  const errors: string[] = [];
  const onError = ({ message }: Error) => errors.push(message);
  const keys = apiKeyFile(join(folder, "keys.json"), { reloadMs: 5, onError });
  const credentials = [apiKey({ keys, audience, ...options })];
  const server = await startPingServer(ca, { policies, grants, credentials });
  const channels = await server.channels("reporting");
  return {
    errors,
    server,
    channels,
    call: (key = issued.key) => ping(connect({ channels, credentials: [present({ key })] })),
    raw: (value: string | readonly string[]) => ping(channels, { metadata: { "x-api-key": value } }),
    async [Symbol.asyncDispose]() {
      keys.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

test("K1, K2, K3, K6: whatever is wrong with a key gets one and the same answer", async () => {
  await using started = await start();
  const text = issued.key.expose();
  expect(await started.call()).toBe("OK");
  expect(await ping(started.channels)).toBe("UNAUTHENTICATED CREDENTIAL_MISSING");
  for (const value of ["", "x", text.slice(1), newApiKey("test").key.expose(), [text, text]]) {
    expect(await started.raw(value)).toBe(invalid);
  }
  expect(await started.call(newApiKey("live").key)).toBe(invalid);
  for (const state of [{ revokedAt: "2026-01-01T00:00:00Z" }, { expiresAt: "2026-01-01T00:00:00Z" }]) {
    write({ ...record, ...state, secrets: [{ sha256: issued.sha256 }] });
    await vi.waitFor(async () => expect(await started.call()).toBe(invalid));
  }
  expect(JSON.stringify(started.server.events)).not.toContain(text.slice(-51));
});
test("K4: a key for a workload is good there alone", async () => {
  await using started = await start();
  write({ ...record, workloads: [idOf("other")], secrets: [{ sha256: issued.sha256 }] });
  await vi.waitFor(async () => expect(await started.call()).toBe(invalid));
  const channels = await started.server.channels("other");
  expect(await ping(connect({ channels, credentials: [present({ key: issued.key })] }))).toBe("OK");
});
test("K5: a key without the scope is known, and refused", async () => {
  await using started = await start();
  write({ ...record, scopes: ["write:test"], secrets: [{ sha256: issued.sha256 }] });
  await vi.waitFor(async () => expect(await started.call()).toBe("PERMISSION_DENIED SCOPE_MISSING"));
});
test("K10: a source that cannot look makes the call UNAVAILABLE, and a file that cannot be read keeps its last good version", async () => {
  const find = () => Promise.reject(new Error("the database is down"));
  const credentials = [apiKey({ keys: { find }, audience })];
  await using server = await startPingServer(ca, { policies, grants, credentials });
  const channels = connect({
    channels: await server.channels("reporting"),
    credentials: [present({ key: issued.key })],
  });
  expect(await ping(channels)).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
  expect(server.events).toMatchObject([{ cause: "the database is down" }]);

  await using started = await start();
  rmSync(join(folder, "keys.json"));
  await vi.waitFor(() => expect(started.errors).toHaveLength(1));
  expect(await started.call()).toBe("OK");
});
test("K11: no call fails while a key is rotated, and the old secret is refused once it is retired", async () => {
  await using started = await start();
  const fresh = newApiKey("live", issued.id);
  const outcomes = new Set<string>();
  const both = async () => {
    for (const key of [issued.key, fresh.key]) outcomes.add(await started.call(key));
  };
  expect([await started.call(), await started.call(fresh.key)]).toEqual(["OK", invalid]);
  write({ ...record, secrets: [{ sha256: issued.sha256 }, { sha256: fresh.sha256 }] });
  await vi.waitFor(async () => expect(await started.call(fresh.key)).toBe("OK"));
  for (let times = 0; times < 5; times += 1) await both();
  expect([...outcomes]).toEqual(["OK"]);
  write({ ...record, secrets: [{ sha256: fresh.sha256 }] });
  await vi.waitFor(async () => expect(await started.call()).toBe(invalid));
  expect(await started.call(fresh.key)).toBe("OK");
});
test("uses are told of once a minute", async () => {
  const uses: ApiKeyUse[] = [];
  await using started = await start({ onUsed: (use) => uses.push(use) });
  for (let times = 0; times < 3; times += 1) expect(await started.call()).toBe("OK");
  expect(uses).toEqual([{ id: issued.id, client: "reporting", atMs: expect.any(Number) }]);
});
