/**
 * `pnpm test:standards`: other people's test vectors for what this repository verifies, from copies in `VECTORS_DIR`; none are in the
 * repository. docs/standards.md says which files, and what they found. An outcome that is not the one that is checked in is a failure.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { type Comparison, compare, type Outcome } from "./comparison.ts";
import { hmacSha256 } from "./expected/hmac-sha256.ts";
import { jsonWebKey } from "./expected/json-web-key.ts";
import { jsonWebSignature } from "./expected/json-web-signature.ts";
import { limboClients, limboServers } from "./expected/limbo.ts";
import type { Expected } from "./expected.ts";
import { jsonWebSignatures } from "./json-web-signatures.ts";
import { limbo } from "./limbo.ts";
import { macs } from "./macs.ts";
import { report } from "./report.ts";
import { VectorFileError } from "./vector-file.ts";

type Run = (path: string) => Promise<readonly Outcome[] | undefined>;
const runs: readonly (readonly [expected: Expected, run: Run])[] = [
  [jsonWebSignature, jsonWebSignatures],
  [jsonWebKey, jsonWebSignatures],
  [hmacSha256, async (path) => macs(path)],
  [limboServers, (path) => limbo(path, "client")],
  [limboClients, (path) => limbo(path, "server")],
];

const folder = process.env["VECTORS_DIR"] ?? "";
if (folder === "") {
  loud("SKIPPED: no vectors were compared. VECTORS_DIR names no folder; docs/standards.md says what to copy there.");
} else if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
  loud(`VECTORS_DIR names ${folder}, which is no folder; docs/standards.md says what to copy there.`);
  process.exitCode = 1;
} else {
  process.exitCode = (await compareAll(folder)) ? 0 : 1;
}

/** Compares what is there, and says what is not. */
async function compareAll(from: string): Promise<boolean> {
  const comparisons: Comparison[] = [];
  let isGood = true;
  for (const [expected, run] of runs) {
    try {
      const outcomes = await run(join(from, expected.file));
      if (outcomes === undefined) {
        loud(`SKIPPED: ${expected.title}: no ${expected.file} in VECTORS_DIR; it is from ${expected.source}.`);
        continue;
      }
      const comparison = compare(outcomes, expected);
      comparisons.push(comparison);
      console.log(report(comparison).join("\n"));
    } catch (error) {
      if (!(error instanceof VectorFileError)) throw error;
      console.error(`✗ ${error.message}`);
      isGood = false;
    }
  }
  if (comparisons.length === 0) {
    loud("Nothing was compared.");
    return false;
  }
  const failures = comparisons.reduce((sum, each) => sum + each.failures.length, 0);
  const unknown = comparisons.reduce((sum, each) => sum + each.unknown.length, 0);
  console.log(
    `\n${comparisons.length} comparisons; ${failures} failures; ${unknown} outcomes that nobody has checked in`,
  );
  return isGood && failures === 0;
}

function loud(sentence: string): void {
  const line = "!".repeat(Math.min(sentence.length, 120));
  console.error(`${line}\n${sentence}\n${line}`);
}
