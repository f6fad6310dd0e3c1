// A process of its own, so that nothing else is in its memory: what the stores of one process take.
import { createHash, randomBytes } from "node:crypto";
import { newApiKey, parseApiKeys } from "@zero-trust/auth/issue";
import { memoryLimits, memoryNonceStore, parseGrants } from "@zero-trust/auth/server";
import { bytesOfOne } from "./collected.ts";
import type { StoresSaid } from "./stores.ts";

const NONCES = 300_000;
const KEYS = 50_000;
const GRANTS = 10_000;
const CALLERS = 50_000;

/** Microseconds of this process's time that something takes, one of many. */
async function microsecondsOfOne(count: number, work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

const nowMs = 1_795_000_000_000;
const nowSeconds = nowMs / 1000;
const nonces = memoryNonceStore({ maxNoncesPerKey: NONCES, now: () => nowMs - 600_000 });
const hashes = Array.from({ length: NONCES }, () => randomBytes(32).toString("base64url"));
let claimMicroseconds = 0;
const nonceBytes = await bytesOfOne(NONCES, async () => {
  claimMicroseconds = await microsecondsOfOne(NONCES, () => {
    for (const [index, hash] of hashes.entries()) {
      const timestampSeconds = nowSeconds - (index % 300);
      nonces.claim({ keyId: "hk-scaling00", hash, timestampSeconds, nowSeconds });
    }
  });
  return nonces;
});
// The hashes themselves, which a caller's request brings and only the store goes on holding.
const hashBytes = await bytesOfOne(NONCES, () =>
  Array.from({ length: NONCES }, () => createHash("sha256").update(randomBytes(8)).digest("base64url")),
);

const keyFile = {
  keys: Array.from({ length: KEYS }, (_, index) => ({ ...newApiKey("live"), index })).map(({ id, sha256, index }) => ({
    id,
    client: `client-${index}`,
    audience: "https://payment.production.internal",
    scopes: ["read:transactions"],
    secrets: [{ sha256 }],
  })),
};
const keyText = JSON.stringify(keyFile, null, 2);
let keyMicroseconds = 0;
const keyBytes = await bytesOfOne(KEYS, async () => {
  let records: unknown;
  keyMicroseconds = await microsecondsOfOne(KEYS, () => {
    records = parseApiKeys(JSON.parse(keyText));
  });
  return records;
});

const grantBytes = await bytesOfOne(GRANTS, () =>
  parseGrants({
    grants: Array.from({ length: GRANTS }, (_, index) => ({
      spiffeId: `spiffe://production.internal/workload-${index}`,
      client: `client-${index}`,
      scopes: ["read:transactions"],
    })),
  }),
);

const rate = { perSecond: 10, burst: 20 };
const limitBytes = await bytesOfOne(CALLERS, () => {
  const limits = memoryLimits({ maxKeys: CALLERS });
  for (let index = 0; index < CALLERS; index += 1) {
    limits.take({ key: `client client-${index}`, cost: 1, rate });
  }
  return limits;
});

console.log(
  JSON.stringify({
    nonce: { bytes: nonceBytes + hashBytes, microseconds: claimMicroseconds },
    apiKey: { bytes: keyBytes, microseconds: keyMicroseconds },
    grant: { bytes: grantBytes },
    limited: { bytes: limitBytes },
  } satisfies StoresSaid),
);
