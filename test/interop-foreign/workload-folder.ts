import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestCa } from "@zero-trust/testkit";

/** The folder of this run, which is removed with all that is in it: programs, and certificates of its workloads. */
export function folderOfRun(): string {
  const folder = process.env["ZT_INTEROP_FOLDER"];
  if (folder === undefined) throw new Error("These tests need programs that are built first: run `pnpm test:interop`.");
  return folder;
}

/** Writes `tls.crt`, `tls.key` and `ca.crt` of a workload into a new folder. */
export async function workloadFolder(ca: TestCa, spiffeId: string): Promise<string> {
  const { cert, key } = await ca.issue({ spiffeId });
  const folder = anonymousFolder(ca);
  writeFileSync(join(folder, "tls.crt"), cert);
  writeFileSync(join(folder, "tls.key"), key, { mode: 0o600 });
  return folder;
}

/** Writes `ca.crt` alone: whoever has it trusts others, and nobody trusts them. */
export function anonymousFolder(ca: TestCa): string {
  const folder = mkdtempSync(join(folderOfRun(), "workload-"));
  writeFileSync(join(folder, "ca.crt"), ca.ca);
  return folder;
}
