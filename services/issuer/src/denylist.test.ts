import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@zero-trust/database";
import type { Kysely } from "kysely";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { databaseOf } from "../test/test-database.ts";
import { createDenylist } from "./denylist.ts";
import { type IssuerSchema, migrations } from "./migrations.ts";
import type { Revocations } from "./revocations.ts";
import { IssuerStore } from "./store.ts";

const nowSeconds = 1_795_000_000;
const exp = nowSeconds + 300;

let folder: string;
let db: Kysely<IssuerSchema>;
let store: IssuerStore;
let nowMs: number;
let file: Revocations;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "denylist-"));
  db = await openDatabase<IssuerSchema>({ ...(await databaseOf(folder)), migrations });
  store = new IssuerStore(db);
  nowMs = nowSeconds * 1000;
  file = { tokens: [], clients: [] };
});
afterEach(async () => {
  await db.destroy();
  rmSync(folder, { recursive: true });
});

function create() {
  const made = vi.spyOn(store, "revocations");
  const revocations = { current: () => file, reload: () => undefined };
  const denylist = createDenylist({ store, revocations, now: () => nowMs });
  const tokens = async () => {
    const { tokens: all } = JSON.parse(String(await denylist())) as { tokens: { jti: string }[] };
    return all.map(({ jti }) => jti);
  };
  return { made, denylist, tokens };
}

test("is made once for all that ask while it is made, and once more for those that come then", async () => {
  const { made, denylist } = create();
  await Promise.all(Array.from({ length: 50 }, () => denylist()));
  expect(made).toHaveBeenCalledTimes(1);
  await Promise.all(Array.from({ length: 50 }, () => denylist()));
  expect(made).toHaveBeenCalledTimes(1);
});

test("has what was revoked before it was asked for, also while an older one is being made", async () => {
  const { tokens } = create();
  for (let at = 0; at < 5; at += 1) {
    const older = tokens();
    await store.revokeToken({ client: "a", jti: `token-${at}`, exp });
    expect(await tokens()).toContain(`token-${at}`);
    await older;
  }
});

test("is made anew when the operator's file or the time is another", async () => {
  const { tokens } = create();
  expect(await tokens()).toEqual([]);
  file = { tokens: [{ jti: "stolen", client: undefined, exp }], clients: [] };
  expect(await tokens()).toEqual(["stolen"]);
  nowMs = (exp + 60) * 1000;
  expect(await tokens()).toEqual([]);
});

test("sees within a second what another process on the same database revokes", async () => {
  const { tokens } = create();
  expect(await tokens()).toEqual([]);
  await new IssuerStore(db).revokeToken({ client: "a", jti: "theirs", exp });
  nowMs += 1000;
  expect(await tokens()).toEqual(["theirs"]);
});

test("is asked for again after it could not be made", async () => {
  const { made, tokens } = create();
  made.mockRejectedValueOnce(new Error("the disk is gone"));
  const answers = await Promise.allSettled([tokens(), tokens()]);
  expect(answers.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  expect(await tokens()).toEqual([]);
});

test("of a client of more revoked tokens than a list has room for, only until when the last was issued is read", async () => {
  for (const [client, count] of [
    ["many", 12],
    ["few", 10],
  ] as const)
    for (let at = 0; at < count; at += 1) await store.revokeToken({ client, jti: `${client}-${at}`, exp: exp + at });
  const { tokens, clients } = await store.revocations(nowSeconds, 10);
  expect(tokens.map(({ client }) => client)).toEqual(Array.from({ length: 10 }, () => "few"));
  expect(clients).toEqual([{ client: "many", before: nowSeconds + 11 }]);
});
