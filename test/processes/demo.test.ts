import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import { startProgram } from "./running-program.ts";

const demo = () => startProgram("demo", ["src/demo.ts"]);
const timeout = 60_000;

// At the same time, since each waits most of its time for payment's nonces.
describe.concurrent("the demo", () => {
  test("shows every line as it should be, and leaves nothing behind", { timeout }, async ({ expect }) => {
    await using program = demo();
    await program.says("CreateOrder");
    const services = program.services();
    expect(services).toHaveLength(3);
    expect(await program.ended).toBe(0);
    // It prints what the README says that it prints, to the letter.
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    expect(readme).toContain(`demo\n${program.said().trimEnd()}\n\`\`\``);
    expect(program.left(services)).toEqual([]);
  });

  test("cleans up on Ctrl-C, however often, and shows nothing that this broke", { timeout }, async ({ expect }) => {
    await using program = demo();
    await program.says("CreateOrder");
    const services = program.services();
    expect(services).toHaveLength(3);
    program.child.kill("SIGINT");
    await program.says("Interrupted");
    // Until it has ended, since it must survive them all.
    const again = setInterval(() => program.child.kill("SIGINT"), 20);
    const code = await program.ended;
    clearInterval(again);
    expect(code).toBe(130);
    expect(program.said()).not.toContain("✗");
    expect(program.left(services)).toEqual([]);
  });

  test("cleans up when nobody reads its output any more", { timeout }, async ({ expect }) => {
    await using program = demo();
    await program.says("CreateOrder");
    const services = program.services();
    expect(services).toHaveLength(3);
    program.child.stdout?.destroy();
    expect(await program.ended).toBe(130);
    expect(program.left(services)).toEqual([]);
  });

  test("cleans up when its terminal is closed while it starts", { timeout }, async ({ expect }) => {
    await using program = demo();
    await program.says("Starting");
    await expect.poll(() => program.services().length, { timeout: 20_000 }).toBeGreaterThan(0);
    const services = program.services();
    program.child.kill("SIGHUP");
    expect(await program.ended).toBe(130);
    expect(program.said()).not.toContain("CreateOrder");
    expect(program.left(services)).toEqual([]);
  });

  test("leaves nothing behind even when it ends by a mistake of its own", { timeout }, async ({ expect }) => {
    const mistake = `
      import { newStackFolder, startStack } from "@zero-trust/infra/stack";
      await startStack(newStackFolder("mistake"));
      process.on("SIGUSR2", () => { throw new Error("a mistake"); });
      console.log("started");
      setInterval(() => undefined, 1_000);
    `;
    await using program = startProgram("mistake", ["--input-type=module", "--eval", mistake]);
    await program.says("started");
    const services = program.services();
    expect(services).toHaveLength(3);
    program.child.kill("SIGUSR2");
    expect(await program.ended).toBe(1);
    // Killed, they may take a moment.
    await expect.poll(() => program.left(services)).toEqual([]);
  });
});
