import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestCa } from "@zero-trust/testkit";
import { expect } from "vitest";
import { clientsDocument, newSigningKey, writeIssuerFile } from "./start-issuer.ts";

/** The issuer as a process. */
export interface IssuerProcess {
  readonly child: ChildProcess;
  stdout: string;
  stderr: string;
  readonly ended: Promise<number | null>;
}

/** Writes all that the issuer needs into a folder, and says what is to be in its environment. */
export async function issuerFolder(folder: string, ca: TestCa): Promise<Record<string, string>> {
  const identity = await ca.issue({ spiffeId: "spiffe://production.internal/issuer" });
  for (const [name, content] of [
    ["tls.crt", identity.cert],
    ["tls.key", identity.key],
    ["ca.crt", identity.ca],
  ] as const)
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  writeIssuerFile(folder, "clients", clientsDocument("secret"));
  writeIssuerFile(folder, "keys", { keys: [await newSigningKey("now")] });
  return {
    ZT_PORT: "0",
    ZT_TLS_DIR: folder,
    ZT_CLIENTS_FILE: join(folder, "clients.json"),
    ZT_SIGNING_JWKS_FILE: join(folder, "signing-jwks.json"),
    ZT_DATABASE_FILE: join(folder, "issuer.db"),
  };
}

/** Starts the issuer with nothing but this in its environment. */
export function startProcess(environment: Readonly<Record<string, string | undefined>>): IssuerProcess {
  const program = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", program], {
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close").then(([code]) => code as number | null);
  const issuer: IssuerProcess = { child, stdout: "", stderr: "", ended };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    issuer.stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    issuer.stderr += chunk;
  });
  return issuer;
}

/** What the issuer has logged. */
export function recordsOf({ stdout }: IssuerProcess): readonly Record<string, unknown>[] {
  const lines = stdout.split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The port that the issuer listens on, when it does. */
export async function portOf(issuer: IssuerProcess): Promise<number> {
  const listening = () => recordsOf(issuer).find(({ msg }) => msg === "listening");
  await expect.poll(listening, { timeout: 20_000 }).toBeDefined();
  return Number(listening()?.["port"]);
}
