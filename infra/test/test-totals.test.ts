import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("../test-totals.ts", import.meta.url));

describe("test totals", () => {
  let repository: string;

  beforeEach(() => {
    repository = mkdtempSync(join(tmpdir(), "zero-trust-totals-"));
  });
  afterEach(() => {
    rmSync(repository, { recursive: true, force: true });
  });

  function write(file: string, content: unknown): void {
    const path = join(repository, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify(content));
  }

  function packageWithTests(folder: string): void {
    write(`${folder}/package.json`, {});
    write(`${folder}/src/a.test.ts`, "");
  }

  it("sums the reports of all packages", () => {
    packageWithTests("packages/a");
    packageWithTests("services/b");
    write("packages/a/.vitest/report.json", { success: true, numPassedTests: 3, numFailedTests: 0 });
    write("services/b/.vitest/report.json", { success: true, numPassedTests: 4, numFailedTests: 0 });
    expect(execFileSync(process.execPath, [program], { cwd: repository, encoding: "utf8" })).toBe(
      "7 passed, 0 failed\n",
    );
  });

  it("counts a package that has tests and no report as a failure", () => {
    packageWithTests("packages/a");
    packageWithTests("packages/b");
    write("packages/a/.vitest/report.json", { success: true, numPassedTests: 3, numFailedTests: 0 });
    const { status, stdout, stderr } = spawnSync(process.execPath, [program], { cwd: repository, encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "3 passed, 1 failed\n" });
    expect(stderr).toBe("packages/b/.vitest/report.json is missing: these tests did not run.\n");
  });

  it("counts a run that failed without a failed test as a failure", () => {
    packageWithTests("packages/a");
    write("packages/a/.vitest/report.json", { success: false, numPassedTests: 3, numFailedTests: 0 });
    const { status, stdout } = spawnSync(process.execPath, [program], { cwd: repository, encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "3 passed, 1 failed\n" });
  });

  it.each(["e2e", "interop"])("counts the run of %s where it is asked for, and its absence as a failure", (run) => {
    packageWithTests("test");
    write("test/.vitest/report.json", { success: true, numPassedTests: 3, numFailedTests: 0 });
    const total = () =>
      spawnSync(process.execPath, [program, `--${run}`], { cwd: repository, encoding: "utf8" }).stdout;
    expect(total()).toBe("3 passed, 1 failed\n");
    write(`test/.vitest/${run}.json`, { success: true, numPassedTests: 4, numFailedTests: 0 });
    expect(total()).toBe("7 passed, 0 failed\n");
  });

  it("does not take no tests at all for success", () => {
    const { status, stdout } = spawnSync(process.execPath, [program], { cwd: repository, encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 1, stdout: "0 passed, 0 failed\n" });
  });
});
