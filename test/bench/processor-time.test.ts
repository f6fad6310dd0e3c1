import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { processorTime, residentBytes } from "./processor-time.ts";

// From Linux's /proc.
test.runIf(process.platform === "linux")(
  "what a process has of the processor and of memory is counted with what it started",
  async () => {
    const waiting = spawn("sh", ["-c", "sh -c 'while :; do :; done'; :"], { detached: true, stdio: "ignore" });
    const pid = waiting.pid as number;
    try {
      await expect.poll(() => processorTime(pid).used, { timeout: 20_000 }).toBeGreaterThan(50_000);
      expect(residentBytes(pid)).toBeGreaterThan(2 * 512 * 1_024);
    } finally {
      process.kill(-pid, "SIGKILL");
    }
  },
);
