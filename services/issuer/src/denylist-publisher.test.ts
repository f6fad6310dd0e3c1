import { createLog } from "@zero-trust/server";
import { expect, onTestFinished, test, vi } from "vitest";
import { publishDenylist } from "./denylist-publisher.ts";

const inTime = { timeout: 20_000, interval: 10 };

function start() {
  const state = { list: { tokens: [] as unknown[] }, isCurrent: true, fails: false };
  const told: { readonly list: unknown; readonly atMs: number }[] = [];
  const lines: string[] = [];
  const publishing = publishDenylist({
    denylist: async () => Buffer.from(JSON.stringify(state.list)),
    isCurrent: () => state.isCurrent,
    async publish(list) {
      if (state.fails) throw new Error("Valkey is down");
      told.push({ list, atMs: performance.now() });
    },
    log: createLog({ name: "issuer", destination: { write: (line) => void lines.push(line) } }),
  });
  onTestFinished(publishing.close);
  return { state, told, lines, publishing };
}

test("tells what is revoked at once, and again and again", async () => {
  const { state, told } = start();
  await vi.waitUntil(() => told.length > 0, inTime);
  state.list = { tokens: [{ jti: "a", exp: 1 }] };
  await vi.waitFor(() => expect(told.at(-1)?.list).toEqual(state.list), inTime);
  const changes = told.length;
  await vi.waitUntil(() => told.length > changes, inTime);
  expect(told.at(-1)?.list).toEqual(state.list);
  // Not with every look: thousands may be on the list.
  expect((told.at(-1)?.atMs ?? 0) - (told.at(-2)?.atMs ?? 0)).toBeGreaterThan(1_000);
});
test("says once that it cannot tell, and goes on when it can", async () => {
  const { state, told, lines } = start();
  state.fails = true;
  await vi.waitUntil(() => lines.length > 0, inTime);
  state.fails = false;
  await vi.waitUntil(() => told.length > 0, inTime);
  expect(lines.filter((line) => line.includes("revocations are not published"))).toHaveLength(1);
});
test("tells nothing while the database cannot be relied on, nor after it was closed", async () => {
  const { state, told, publishing } = start();
  await vi.waitUntil(() => told.length > 0, inTime);
  state.isCurrent = false;
  state.list = { tokens: [{ jti: "a", exp: 1 }] };
  const other = start();
  await vi.waitUntil(() => other.told.length > 1, inTime);
  expect(told.filter(({ list }) => JSON.stringify(list).includes("jti"))).toEqual([]);
  await publishing.close();
  state.isCurrent = true;
  await vi.waitUntil(() => other.told.length > 2, inTime);
  expect(told.filter(({ list }) => JSON.stringify(list).includes("jti"))).toEqual([]);
});
