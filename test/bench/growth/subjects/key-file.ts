import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiKeyFile } from "@zero-trust/auth/stores/file";
import { weighed } from "../../../scaling/collected.ts";
import type { Subject } from "../subject.ts";

/** A file of API keys, up to the largest that is read at all (10 MiB). */
export const keyFile: Subject = {
  what: "API keys in one file",
  sizes: [1, 100, 1_000, 10_000, 45_000],
  quickSize: 10_000,
  works: { reading: { what: "the file read again, in which time no call is served", times: 3, isForAll: true } },
  async grow(size) {
    const folder = mkdtempSync(join(tmpdir(), "growth-"));
    process.once("exit", () => rmSync(folder, { recursive: true }));
    const file = join(folder, "api-keys.json");
    const keys = Array.from({ length: size }, (_, index) => ({
      id: randomBytes(6).toString("hex"),
      client: `client-${index}`,
      audience: "https://payment.production.internal",
      scopes: ["read:transactions"],
      secrets: [{ sha256: randomBytes(32).toString("hex") }],
    }));
    writeFileSync(file, JSON.stringify({ keys }));
    const { made, bytes } = await weighed(() => apiKeyFile(file));
    made.close();
    return { bytes, works: { reading: () => apiKeyFile(file).close() } };
  },
};
