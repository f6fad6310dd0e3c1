import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const demo = fileURLToPath(new URL("../../infra/src/demo.ts", import.meta.url));

function start() {
  const child = spawn(process.execPath, ["--conditions=source", demo], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text: Buffer) => {
      said += text.toString();
    });
  const folder = fileURLToPath(new URL(`../../.stack/demo-${child.pid}`, import.meta.url));
  return { child, folder, said: () => said };
}

test("the demo shows every line as it should be, and leaves nothing behind", async () => {
  const { child, folder, said } = start();
  const [code] = await once(child, "close");
  expect(said()).toContain("All 26 lines are as they should be.");
  expect(said()).not.toMatch(/✗|Warning|Error/);
  expect(code).toBe(0);
  expect(existsSync(folder)).toBe(false);
}, 60_000);

test("the demo cleans up on Ctrl-C, and says so by its exit code", async () => {
  const { child, folder, said } = start();
  while (!said().includes("CreateOrder")) await once(child.stdout, "data");
  expect(existsSync(folder)).toBe(true);
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  expect(said()).toContain("Interrupted");
  expect(code).toBe(130);
  expect(existsSync(folder)).toBe(false);
}, 60_000);
