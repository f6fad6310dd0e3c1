import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Case, cases, type ServerCase } from "./cases.ts";
import { checkControl } from "./checked-control.ts";
import { findProgram } from "./found-program.ts";
import { isOpen } from "./is-open.ts";
import type { ControlSaid, TimedSaid } from "./load/orders.ts";
import { type Material, makeMaterial } from "./material.ts";
import { tryClient } from "./measure-client.ts";
import { targetOf } from "./measure-server.ts";
import { startPinned } from "./pinned-process.ts";
import { type StartedServer, startServer } from "./started-server.ts";

let material: Material;
let folder: string;
beforeAll(async () => {
  material = await makeMaterial();
  folder = mkdtempSync(join(tmpdir(), "bench-"));
});
afterAll(async () => {
  await material[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Starts a case's server and the load, sees what is refused, and makes some calls that have to be answered. */
async function tryOut(the: ServerCase): Promise<{
  readonly server: StartedServer;
  readonly control: ControlSaid;
  readonly calls: () => Promise<TimedSaid>;
}> {
  const caller = await material.callerWith(2);
  const server = await startServer({ material, folder, serverCore: undefined, fromSource: true }, the);
  const load = await startPinned("load/main.ts", { core: undefined, fromSource: true });
  running.push(server, load);
  await load.ask({ open: the.name, caller, target: targetOf(the, server.port) });
  return {
    server,
    control: await load.ask<ControlSaid>({ control: the.name }),
    calls: () => load.ask<TimedSaid>({ timed: the.name, ms: 100, perSecond: 200, seed: 1 }),
  };
}

const running: AsyncDisposable[] = [];
afterAll(async () => {
  await Promise.all(running.map((each) => each[Symbol.asyncDispose]()));
});

/** By others, and asked for a token alone. */
const isPeer = (each: Case): each is ServerCase => ["connect-node", "nice-grpc", "nestjs"].includes(each.name);
const hasNginx = findProgram("nginx") !== undefined;
if (!hasNginx) console.warn("NOT TRIED: nginx is missing (bash test/bench/install-nginx.sh brings Debian's).");
const full = cases.find(({ name }) => name === "full") as ServerCase;

test.concurrent("the full stack answers the load's calls, and refuses those with anything wrong", async ({
  expect,
}) => {
  const { control, calls } = await tryOut(full);
  expect(control).toEqual({
    wrong: {
      "no certificate": "no connection",
      "no token": "status 16",
      "a token with another signature": "status 16",
      "no signature": "status 16",
      "another signature": "status 16",
      "the same signature again": "status 16",
    },
    right: "let in",
  });
  expect((await calls()).calls).toBeGreaterThan(5);
});

test.concurrent.for(cases.filter(isPeer))(
  "$name does what it is measured for: a call without its token is refused",
  async (the, { expect }) => {
    const { control, calls } = await tryOut(the);
    expect(control).toEqual({
      wrong: {
        "no certificate": "no connection",
        "no token": "status 16",
        "a token with another signature": "status 16",
      },
      right: "let in",
    });
    expect((await calls()).calls).toBeGreaterThan(5);
  },
);

test.runIf(hasNginx)(
  "nginx lets in nobody without a certificate, and ends with the server that started it",
  { concurrent: true },
  async ({ expect }) => {
    const the = cases.find(({ name }) => name === "nginx") as ServerCase;
    const { server, control, calls } = await tryOut(the);
    expect(control).toEqual({ wrong: { "no certificate": "status 16" }, right: "let in" });
    expect((await calls()).calls).toBeGreaterThan(5);
    await server[Symbol.asyncDispose]();
    await expect.poll(() => isOpen(server.port), { timeout: 20_000 }).toBe(false);
  },
);

test.concurrent("the credentials that nobody looks at are in the way of nobody", async ({ expect }) => {
  const { control, calls } = await tryOut(cases.find(({ name }) => name === "unread") as ServerCase);
  expect(control).toEqual({ wrong: { "no certificate": "no connection" }, right: "let in" });
  expect((await calls()).calls).toBeGreaterThan(5);
});

test.concurrent("a server that asks for nothing is not measured as one that does", async ({ expect }) => {
  const { control } = await tryOut({ ...full, server: "bare" });
  expect(() => checkControl("full", control)).toThrow("full: a call with no token was not refused: let in");
});

// It reads its own processor time from Linux's /proc.
test.runIf(process.platform === "linux").for(cases.filter((each) => "client" in each))(
  "$name is let in where the client that it is measured against is not",
  { concurrent: true },
  async (the, { expect }) => {
    const control = await tryClient({ material, folder, serverCore: undefined, fromSource: true }, the);
    expect(control).toEqual({ wrong: { "no credentials": "status 16" }, right: "let in" });
  },
);

test("each case has a name of its own, and a program", () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  const programs = cases.map((each) => ("server" in each ? `servers/${each.server}.ts` : `clients/${each.client}.ts`));
  expect(programs.filter((file) => !existsSync(new URL(file, import.meta.url)))).toEqual([]);
});
