/** Generates everything anew, in place, and fails when that changed a file: then it had not been up to date. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";

function fingerprints(): Map<string, string> {
  const files = globSync(["proto/gen/**/*.ts", "packages/*/src/gen/**/*.ts", "docs/policy.md"]);
  return new Map(files.sort().map((file) => [file, createHash("sha256").update(readFileSync(file)).digest("hex")]));
}

const before = fingerprints();
execFileSync(process.execPath, ["infra/generate.ts", "--force"], { stdio: "inherit" });
const after = fingerprints();

const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
  (file) => before.get(file) !== after.get(file),
);
if (changed.length > 0) {
  console.error(
    `These were out of date and are generated anew; look at them and commit them:\n  ${changed.join("\n  ")}`,
  );
  process.exitCode = 1;
}
