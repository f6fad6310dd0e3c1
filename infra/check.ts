/**
 * `pnpm check`: everything that must hold of the repository besides its tests, green here is green in CI.
 * Runs all checks, one after the other; prints a line a check, its warnings (`! …`), and the output of
 * those that fail.
 */
import { spawn } from "node:child_process";
import { performance } from "node:perf_hooks";

// Module by module, since the workspace also has third parties' files.
const protoFormat = ["proto", "packages/auth/proto", "packages/testkit/proto"]
  .map((module) => `buf format ${module} --diff --exit-code`)
  .join(" && ");

const checks: readonly (readonly [claim: string, command: string])[] = [
  // First, since buf reads the third parties' .proto files that it prints.
  ["generated code is up to date", "node infra/generated.ts"],
  ["every method has a policy that can be met", "node --conditions=source infra/policies.ts"],
  ["formatted", "biome format ."],
  ["lint", "biome check --formatter-enabled=false ."],
  ["lint that needs types", "oxlint"],
  ["types", "turbo run typecheck --continue --output-logs=errors-only"],
  ["imports follow the arrows", "turbo boundaries"],
  ["dependencies follow the arrows", "node infra/arrows.ts"],
  ["nothing unused", "knip"],
  ["proto: lint", "buf lint"],
  ["proto: format", protoFormat],
  ["builds", "turbo run build --output-logs=errors-only"],
  ["packages can be published", "node infra/publishable.ts"],
];

function run(command: string): Promise<{ readonly good: boolean; readonly output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, { shell: true, stdio: ["ignore", "pipe", "pipe"] });
    const output: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
    child.once("close", (code) => resolve({ good: code === 0, output: Buffer.concat(output).toString() }));
  });
}

const failures: string[] = [];
for (const [claim, command] of checks) {
  const start = performance.now();
  const { good, output } = await run(command);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${good ? "✓" : "✗"} ${claim.padEnd(42)} ${seconds.padStart(6)} s`);
  for (const warning of output.split("\n").filter((line) => line.startsWith("! "))) console.log(`  ${warning}`);
  if (good) continue;
  failures.push(claim);
  console.log(`\n$ ${command}\n${output.trimEnd()}\n`);
}

const passed = checks.length - failures.length;
console.log(
  `\n${passed} checks hold${failures.length > 0 ? `, ${failures.length} do not: ${failures.join(", ")}` : ""}.`,
);
process.exitCode = failures.length > 0 ? 1 : 0;
