import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const program = fileURLToPath(new URL("../arrows.ts", import.meta.url));

describe("arrows between packages", () => {
  let repository: string;

  beforeEach(() => {
    repository = mkdtempSync(join(tmpdir(), "zero-trust-arrows-"));
  });
  afterEach(() => {
    rmSync(repository, { recursive: true, force: true });
  });

  function run(folder: string, manifest: Record<string, unknown>): { status: number | null; stderr: string } {
    const file = join(repository, folder, "package.json");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(manifest));
    const { status, stderr } = spawnSync(process.execPath, [program], { cwd: repository, encoding: "utf8" });
    return { status, stderr };
  }

  it("lets tests use the testkit", () => {
    const manifest = { name: "@zero-trust/auth", devDependencies: { "@zero-trust/testkit": "workspace:*" } };
    expect(run("packages/auth", manifest)).toEqual({ status: 0, stderr: "" });
  });

  it("refuses the testkit in what ships", () => {
    const manifest = { name: "@zero-trust/auth", dependencies: { "@zero-trust/testkit": "workspace:*" } };
    expect(run("packages/auth", manifest)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("move it to devDependencies"),
    });
  });

  it("refuses a contract that depends on more than the policy option", () => {
    const manifest = {
      name: "@zero-trust/proto",
      dependencies: { "@zero-trust/auth": "workspace:*", "@zero-trust/mtls": "workspace:*" },
    };
    expect(run("proto", manifest)).toMatchObject({ status: 1, stderr: expect.stringContaining("@zero-trust/mtls") });
  });
});
