/** What you have from your PKI and `zt keys` otherwise: certificates of a throwaway CA and one API key, in a folder. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newApiKey, type Secret } from "@zero-trust/auth/issue";
import { createCa } from "@zero-trust/testkit";

export interface Files {
  /** Folders with `tls.crt`, `tls.key` and `ca.crt`. */
  readonly serverTls: string;
  readonly callerTls: string;
  readonly grants: string;
  readonly apiKeys: string;
}

export async function tryOut(): Promise<{ files: Files; key: Secret; [Symbol.dispose](): void }> {
  const folder = mkdtempSync(join(tmpdir(), "greeter-"));
  const write = (path: string, text: string): void => writeFileSync(join(folder, path), text, { mode: 0o600 });
  const ca = await createCa();
  for (const workload of ["greeter", "caller"]) {
    const leaf = await ca.issue({ spiffeId: `spiffe://production.internal/${workload}` });
    mkdirSync(join(folder, workload));
    write(`${workload}/tls.crt`, leaf.cert);
    write(`${workload}/tls.key`, leaf.key);
    write(`${workload}/ca.crt`, leaf.ca);
  }
  const { id, sha256, key } = newApiKey("live");
  const audience = "https://greeter.production.internal";
  write("grants.json", JSON.stringify({ grants: [] }));
  write(
    "api-keys.json",
    JSON.stringify({ keys: [{ id, client: "reporting", audience, scopes: ["greet"], secrets: [{ sha256 }] }] }),
  );
  const [serverTls, callerTls, grants, apiKeys] = ["greeter", "caller", "grants.json", "api-keys.json"].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  const files = { serverTls, callerTls, grants, apiKeys };
  return { files, key, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
