import { writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityFromMemory } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { findValkey, startValkey } from "@zero-trust/testkit/servers";
import { expect, test, vi } from "vitest";
import { z } from "zod";
import { readConfig } from "./config.ts";
import { createLog } from "./log.ts";
import { openValkey, valkeyPlace, valkeyVariables } from "./valkey.ts";

const schema = z.object({ ...valkeyVariables }).transform((variables, context) => valkeyPlace(variables, context));
const both = { ZT_VALKEY_URL: "rediss://payment@valkey:6379", ZT_VALKEY_PASSWORD_FILE: "/run/secrets/password" };

test("takes a URL with the file of its password, or neither", () => {
  const { ZT_VALKEY_URL: url, ZT_VALKEY_PASSWORD_FILE: passwordFile } = both;
  expect(readConfig(schema, both)).toEqual({ url, passwordFile });
  expect(readConfig(schema, {})).toBeUndefined();
});
test.each([
  [
    { ZT_VALKEY_PASSWORD_FILE: "" },
    "ZT_VALKEY_PASSWORD_FILE must have a value, since ZT_VALKEY_URL has one; it is not set.",
  ],
  [{ ZT_VALKEY_URL: "" }, "ZT_VALKEY_URL must have a value, since ZT_VALKEY_PASSWORD_FILE has one; it is not set."],
  [{ ZT_VALKEY_URL: "redis://payment@valkey" }, /^ZT_VALKEY_URL must be like rediss:/u],
  [{ ZT_VALKEY_URL: "rediss://valkey" }, /^ZT_VALKEY_URL must be like rediss:/u],
  [{ ZT_VALKEY_URL: "rediss://payment@valkey/1" }, /^ZT_VALKEY_URL must be like rediss:/u],
  [{ ZT_VALKEY_URL: "rediss://payment:canary@valkey" }, /^ZT_VALKEY_URL must be like (?!.*canary)/u],
])("refuses %j", (changes, sentence) => {
  expect(() => readConfig(schema, { ...both, ...changes })).toThrow(sentence);
});

test.runIf(findValkey() !== undefined)(
  "connects to the workload `valkey`, says why not, and reads the password anew",
  async () => {
    const ca = await createCa();
    await using server = await startValkey({
      tls: await ca.issue({ spiffeId: "spiffe://production.internal/valkey" }),
    });
    const identity = identityFromMemory(await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" }));
    await using folder = await mkdtempDisposable(join(tmpdir(), "valkey-"));
    const passwordFile = join(folder.path, "password");
    const lines: string[] = [];
    const log = createLog({ name: "payment", destination: { write: (line) => void lines.push(line) } });
    const valkey = await openValkey(
      { url: `rediss://${server.user}@${server.host}:${server.port}`, passwordFile },
      { identity, trustDomain: "production.internal", log },
    );
    using closing = new DisposableStack();
    closing.defer(() => valkey.close());
    await vi.waitFor(() => expect(lines.join("\n")).toContain("ENOENT"), { timeout: 20_000 });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ log: "connection", msg: "Valkey cannot be used" });
    writeFileSync(passwordFile, `${server.password}\n`);
    await vi.waitUntil(() => valkey.client.isReady(), { timeout: 20_000 });
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ log: "connection", level: "info", msg: "Valkey is used" });
    const nonces = valkey.nonces();
    const nowSeconds = Math.floor(Date.now() / 1000);
    const use = { keyId: "hk-aaaaaaaa", hash: "a", timestampSeconds: nowSeconds + 60, nowSeconds };
    await vi.waitFor(async () => expect(await nonces.claim(use)).not.toBe("early"), { timeout: 20_000 });
    expect(await nonces.claim(use)).toBe("replayed");
  },
);
