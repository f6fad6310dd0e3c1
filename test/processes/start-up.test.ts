import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Deployment, writeDeployment } from "@zero-trust/infra/deployment";
import type { Workload } from "@zero-trust/infra/names";
import { newStackFolder, paymentEnvironment } from "@zero-trust/infra/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const main = fileURLToPath(new URL("../../services/payment/src/main.ts", import.meta.url));
const folder = newStackFolder("start-up");
let deployment: Deployment;
beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  deployment = await writeDeployment(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts payment with a changed environment; says how it ended. */
async function start(changes: Readonly<Record<string, string>>) {
  const env = { PATH: process.env["PATH"], ...paymentEnvironment(deployment, "127.0.0.1:1"), ...changes };
  const child = spawn(process.execPath, ["--conditions=source", main], { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said += text.toString();
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, said };
}

/** Payment's certificate with the key of another workload. */
function withKeyOf(other: Workload): string {
  const path = join(folder, "mixed");
  cpSync(deployment.tlsFolder("payment-service"), path, { recursive: true });
  copyFileSync(join(deployment.tlsFolder(other), "tls.key"), join(path, "tls.key"));
  return path;
}

describe("payment does not start, and says why in one sentence, with", () => {
  const cases: [string, () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>, RegExp][] =
    [
      [
        "a key that is another certificate's",
        () => ({ ZT_TLS_DIR: withKeyOf("storefront") }),
        /^payment: \S+\/mixed\/tls\.key does not belong to \S+\/mixed\/tls\.crt.*\.\n$/,
      ],
      [
        "grants that are none",
        () => ({ ZT_GRANTS_FILE: write("roles.json", '{"grants":[{"scope":[]}]}') }),
        /^payment: The file \S+\/roles\.json is no good: .*unknown key "scope"\.\n$/,
      ],
      [
        "signing keys that others can read",
        () => ({ ZT_SIGNING_KEYS_FILE: write("open.json", signingKeys(), 0o644) }),
        /^payment: The file \S+\/open\.json is open to others: chmod 600 it\.\n$/,
      ],
      [
        "the address of an issuer with a port that there is not",
        () => ({ ZT_ISSUER_ADDRESS: "127.0.0.1:65536" }),
        /^payment: ZT_ISSUER_ADDRESS must have a port of 65535 at most; it is "127\.0\.0\.1:65536"\.\n$/,
      ],
      [
        "an issuer that is no URL, of which no token could be",
        () => ({ ZT_ISSUER: "issuer" }),
        /^payment: ZT_ISSUER must be an https URL without a path, such as \S+; it is "issuer"\.\n$/,
      ],
      [
        "a trust domain that is none",
        () => ({ ZT_TRUST_DOMAIN: "production.internal/payment" }),
        /^payment: ZT_TRUST_DOMAIN must be a trust domain, such as production\.internal; it is .*\.\n$/,
      ],
      [
        "another trust domain than its certificate's, whose workloads it would all refuse",
        () => ({ ZT_TRUST_DOMAIN: "other.internal" }),
        /^payment: The certificate is of spiffe:\/\/production\.internal\/payment-service, .* ZT_TRUST_DOMAIN, or another certificate\.\n$/,
      ],
      [
        "a port in use",
        async () => ({ ZT_PORT: String(await takenPort()) }),
        /^payment: Port 127\.0\.0\.1:\d+ is already in use.*\.\n$/,
      ],
    ];
  test.each(cases)("%s", async (_name, changes, message) => {
    const { code, said } = await start(await changes());
    expect(said).toMatch(message);
    expect(said).not.toContain("PRIVATE KEY");
    expect(code).toBe(1);
  });
});

function write(name: string, content: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode });
  return path;
}

/** The file that payment does start with, when only its owner may read it. */
function signingKeys(): string {
  return readFileSync(paymentEnvironment(deployment, "")["ZT_SIGNING_KEYS_FILE"] ?? "", "utf8");
}

const blockers: ReturnType<typeof createServer>[] = [];
afterAll(() => {
  for (const blocker of blockers) blocker.close();
});
async function takenPort(): Promise<number> {
  const blocker = createServer();
  blockers.push(blocker);
  blocker.listen(0, "127.0.0.1");
  await once(blocker, "listening");
  return (blocker.address() as AddressInfo).port;
}
