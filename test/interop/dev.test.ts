import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startProgram } from "../processes/running-program.ts";

const top = fileURLToPath(new URL("../..", import.meta.url));

/** Runs a command as somebody who pastes it into a shell does; rejects when it does not exit with 0. */
async function paste(command: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)("sh", ["-c", command], { cwd: top });
  return JSON.parse(stdout);
}

test("the commands that `dev` prints work as soon as they are printed, and Ctrl-C leaves nothing", async () => {
  await using program = startProgram("dev", ["src/dev.ts"]);
  await program.says("Ctrl-C stops everything");
  const services = program.services();
  expect(services).toHaveLength(3);
  // From `npx` to the first line that does not go on in the next one.
  const [place = "", list = "", ledger = "", ...more] = program.said().match(/^npx (?:.*\\\n)*.*$/gm) ?? [];
  expect(more).toEqual([]);
  const variables = (text: string) => text.match(/^export \w+='/gm);
  expect(variables(program.said())).toEqual(variables(readFileSync(join(top, "docs/wire.md"), "utf8")));
  expect(await paste(place)).toMatchObject({ order: { client: "storefront" } });
  await expect
    .poll(() => paste(list), { timeout: 15_000 })
    .toMatchObject({ orders: [{ state: "ORDER_STATE_PAID", total: { minorUnits: "3897" } }] });
  expect(await paste(ledger)).toMatchObject({ transactions: [{}, {}] });

  program.child.kill("SIGINT");
  expect(await program.ended).toBe(0);
  expect(program.said()).toContain("Stopping the services");
  expect(program.left(services)).toEqual([]);
}, 90_000);
