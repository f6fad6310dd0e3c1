import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { newApiKey } from "@zero-trust/auth/issue";
import { audiences, spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import type { LogRecord } from "@zero-trust/infra/service-process";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { expect } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { becomes } from "./becomes.ts";
import { callOn, type Outcome } from "./call.ts";
import { idOf, ztKeys } from "./keys-command.ts";
import { scenariosOn } from "./scenario.ts";
import type { Denial, Trial } from "./trial.ts";

const { listTransactions } = PaymentService.method;
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
const dayMs = 86_400_000;

/** Keys that payment knows, besides the one that reporting has. */
let keys: Awaited<ReturnType<typeof issueKeys>>;

async function issueKeys(stack: Stack) {
  const file = "--file payment/api-keys.json";
  const issue = (options: string, nowMs?: number) =>
    ztKeys(stack, `issue api ${file} --client reporting ${options}`, nowMs);
  const here = `--audience ${audiences.payment}`;
  const revoked = await issue(`${here} --scope read:transactions`);
  await ztKeys(stack, `revoke api ${idOf(revoked)} ${file}`);
  return {
    revoked,
    expired: await issue(`${here} --scope read:transactions --expires 1d`, Date.now() - 2 * dayMs),
    forTests: await issue(`${here} --scope read:transactions --mode test`),
    forOrder: await issue(`--audience ${audiences.order} --scope read:transactions`),
    writing: await issue(`${here} --scope write:payments`),
    bound: await issue(`${here} --scope read:transactions --workload ${spiffeIdOf("reporting")}`),
  };
}

const scenario = scenariosOn(async (stack) => {
  keys = await issueKeys(stack);
  await stack.publish();
  const reading = { as: "reporting", metadata: { "x-api-key": keys.bound } } as const;
  await becomes("OK", () => callOn(stack, listTransactions, reading));
});

/** Reads the ledger with what is shown as a key. */
function reading(trial: Trial, key: string | readonly string[], as: Workload = "reporting"): Promise<Outcome> {
  return trial.call(listTransactions, { as, metadata: { "x-api-key": key } });
}

/** A key that has to be refused; reporting's own one is let in. */
async function refused(trial: Trial, what: string, key: string | readonly string[], more: Partial<Denial> = {}) {
  await trial.denied({
    what,
    expected: invalid,
    by: "payment",
    attack: () => reading(trial, key),
    control: () => reading(trial, trial.stack.deployment.apiKey),
    ...more,
  });
}

/** All that a caller gets to see of a refusal. */
function seen({ status, details, trailers }: Outcome): unknown {
  const { date: _, ...rest } = trailers.getMap();
  return { status, details, ...rest };
}

scenario("K1", "what is no key is refused without a look at the keys", async (trial) => {
  const good = trial.stack.deployment.apiKey;
  await refused(trial, "no key", [], { expected: "UNAUTHENTICATED CREDENTIAL_MISSING" });
  // Nobody can look for a key without an id.
  const record = { credentialIds: [] };
  await refused(trial, "an empty key", "", { record });
  await refused(trial, "a key without its checksum", good.slice(0, -8), { record });
  await refused(trial, "a key whose checksum is wrong", `${good.slice(0, -8)}00000000`, { record });
  await refused(trial, "a key with one letter more", `${good}0`, { record });
  await refused(trial, "the id of a key", idOf(good), { record });
});

scenario("K2", "unknown, wrong, revoked and expired keys get one and the same answer", async (trial) => {
  const shown = {
    "a key with an unknown id": newApiKey("live").key.expose(),
    "a known id with another secret": newApiKey("live", idOf(trial.stack.deployment.apiKey)).key.expose(),
    "a revoked key": keys.revoked,
    "an expired key": keys.expired,
  };
  const answers: unknown[] = [];
  for (const [what, key] of Object.entries(shown)) {
    const attack = async () => {
      const outcome = await reading(trial, key);
      answers.push(seen(outcome));
      return outcome;
    };
    await refused(trial, what, key, { attack, record: { credentialIds: [idOf(key)] } });
  }
  for (const answer of answers) expect(answer).toEqual(answers[0]);
});

scenario("K3", "a key for tests is refused where live keys are taken, though it is known", async (trial) => {
  await refused(trial, "a key for tests, with its hash in the key file", keys.forTests);
});

scenario("K4", "a key is refused from another workload, and at another service", async (trial) => {
  await trial.denied({
    what: "reporting's key, with partner's certificate",
    expected: invalid,
    by: "payment",
    attack: () => reading(trial, keys.bound, "partner"),
    control: () => reading(trial, keys.bound),
    record: { credentialIds: [idOf(keys.bound)], peer: spiffeIdOf("partner") },
  });
  await refused(trial, "a key for order, shown to payment", keys.forOrder);
});

scenario("K5", "a key without the scope is known, and refused", async (trial) => {
  await refused(trial, "a key that may write payments and not read the ledger", keys.writing, {
    expected: "PERMISSION_DENIED SCOPE_MISSING",
    record: { credentialIds: [idOf(keys.writing)], credentials: ["API_KEY"] },
  });
});

scenario("K6", "of two keys in one call neither counts", async (trial) => {
  const good = trial.stack.deployment.apiKey;
  const bad = newApiKey("live").key.expose();
  await refused(trial, "the same key twice", [good, good]);
  await refused(trial, "a good key, then a bad one", [good, bad]);
  await refused(trial, "a bad key, then a good one", [bad, good]);
  await refused(trial, "two keys in one field", `${good}, ${good}`);
});

scenario("K7", "what a thief finds in the key files is no key, and none can be made of it", async (trial) => {
  const { folder, apiKey, signing } = trial.stack.deployment;
  const read = (name: string) => readFileSync(join(folder, "payment", name), "utf8");
  const look = (what: string, name: string, secrets: readonly string[]) => {
    const forms = secrets.flatMap((secret) => [secret, ...formsOf(Buffer.from(secret, "base64url"))]);
    const found = forms.filter((form) => read(name).includes(form)).length;
    trial.observe(what, "none found", found === 0 ? "none found" : `${found} found`);
  };
  look("secrets in the file of API keys", "api-keys.json", [
    apiKey,
    ...[apiKey, keys.bound].map((key) => key.slice(-51, -8)),
  ]);
  look(
    "secrets in the file of signing keys",
    "signing-keys.json",
    Object.values(signing).map(({ secret }) => secret.expose()),
  );

  const file = JSON.parse(read("api-keys.json")) as {
    readonly keys: readonly { readonly id: string; readonly secrets: readonly [{ readonly sha256: string }] }[];
  };
  const entry = file.keys.find(({ id }) => id === idOf(apiKey));
  const sha256 = entry?.secrets[0].sha256 ?? "";
  await refused(trial, "the hash of a key in its place", sha256);
  const body = `sk-live-${idOf(apiKey)}-${Buffer.from(sha256, "hex").toString("base64url")}`;
  const made = body + crc32(body).toString(16).padStart(8, "0");
  await refused(trial, "a well-formed key made of id and hash", made, { record: { credentialIds: [idOf(apiKey)] } });
});

/** How bytes may stand in a file. */
function formsOf(bytes: Buffer): readonly string[] {
  return [bytes.toString("hex"), bytes.toString("base64"), bytes.toString("base64url")];
}

scenario("K12", "an unknown id and a wrong secret are refused alike, to the caller and in the log", async (trial) => {
  const records = await trial.recordsSince("payment");
  const answers: unknown[] = [];
  for (const id of [undefined, idOf(trial.stack.deployment.apiKey)]) {
    const key = newApiKey("live", id).key.expose();
    const attack = async () => {
      const outcome = await reading(trial, key);
      answers.push(seen(outcome));
      return outcome;
    };
    await refused(trial, id === undefined ? "an unknown id" : "a wrong secret", key, {
      attack,
      record: { credentialIds: [idOf(key)] },
    });
  }
  expect(answers[0]).toEqual(answers[1]);
  const [unknown, wrong] = (await records()).filter(({ outcome }) => outcome === "refused").map(alike);
  expect(unknown).toEqual(wrong);
});

/** A record without what differs from call to call, and without the cause, which callers are not told. */
function alike({ time: _, latencyMs: __, credentialIds: ___, cause: ____, ...rest }: LogRecord): LogRecord {
  return rest;
}
