import { createHmac, randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { Metadata } from "@grpc/grpc-js";
import { newKeyEncryptionKey } from "@zero-trust/auth/issue";
import { hmac, memoryNonceStore } from "@zero-trust/auth/server";
import { signingKeyFile } from "@zero-trust/auth/stores/file";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { keysCommands } from "../src/keys/commands.ts";
import { type ScratchCommand, scratchCommand } from "./scratch-command.ts";

const audience = "https://payment.production.internal";
const where = "--file ./keys.json --key-encryption-key ./kek";
const issue = `issue signing ${where} --client order-service --audience ${audience} --scope write:payments`;
const DAY_MS = 86_400_000;

let scratch: ScratchCommand;
beforeEach(() => {
  scratch = scratchCommand("keys", keysCommands);
});
afterEach(() => scratch[Symbol.dispose]());

interface Issued {
  readonly id: string;
  readonly secret: string;
}

async function issued(line: string): Promise<Issued> {
  return JSON.parse(await scratch.type(`${line} --json`)) as Issued;
}

/** Asks the verifier of a service that reads the files, at the time of the test, about a request that is signed with a key. */
function service() {
  const keys = signingKeyFile({
    path: scratch.path("keys.json"),
    keyEncryptionKeyPath: scratch.path("kek"),
    reloadMs: 5,
  });
  const verifier = hmac({ keys, nonces: memoryNonceStore(), audience });
  return {
    async verdict({ id, secret }: Issued): Promise<string> {
      const timestamp = String(Math.floor(scratch.nowMs / 1000));
      const nonce = randomBytes(16).toString("hex");
      const head = `POST\n/a.B/C\n${timestamp}\n${nonce}\n`;
      const metadata = new Metadata();
      metadata.set("x-api-key", id);
      metadata.set("x-timestamp", timestamp);
      metadata.set("x-nonce", nonce);
      metadata.set("x-signature", createHmac("sha256", secret).update(head).update("hello").digest("hex"));
      const spiffeId = "spiffe://production.internal/order-service";
      const peer = { spiffeId, trustDomain: "production.internal", thumbprint: "", serialNumber: "", notAfterMs: 0 };
      const call = { path: "/a.B/C", peer, nowMs: scratch.nowMs, named: new Set<never>() };
      const { signature, finding } = await verifier.open(metadata, call);
      const verdict = signature?.check(Buffer.from("hello")) ?? finding;
      if (verdict.verdict === "verified") return `${verdict.client}: ${[...verdict.scopes].join(" ")}`;
      return verdict.verdict === "invalid" ? verdict.cause : verdict.verdict;
    },
    [Symbol.dispose]: () => keys.close(),
  };
}

test("a signing key is good at once, through a rotation, and not after its revocation", async () => {
  const first = await issued(issue);
  using verifier = service();
  expect(await verifier.verdict(first)).toBe("order-service: write:payments");

  const second = await issued(`rotate signing ${first.id} ${where} --overlap 24h`);
  expect(second.id).not.toBe(first.id);
  await vi.waitFor(async () => expect(await verifier.verdict(second)).toBe("order-service: write:payments"));
  scratch.nowMs += DAY_MS - 1;
  expect(await verifier.verdict(first)).toBe("order-service: write:payments");
  scratch.nowMs += 1;
  expect(await verifier.verdict(first)).toBe("the signing key has expired");
  expect(await verifier.verdict(second)).toBe("order-service: write:payments");

  await scratch.type(`revoke signing ${second.id} ${where}`);
  await vi.waitFor(async () => expect(await verifier.verdict(second)).toBe("the signing key is revoked"));
});

test("both files are made, for their owner alone, and the secret is in neither", async () => {
  const { secret } = await issued(issue);
  expect(scratch.names()).toEqual(["kek", "keys.json"]);
  expect([scratch.mode("kek"), scratch.mode("keys.json")]).toEqual(["600", "600"]);
  const list = await scratch.type(`list signing ${where}`);
  const json = await scratch.type(`list signing ${where} --json`);
  const kek = scratch.read("kek");
  for (const text of [list, json, scratch.read("keys.json"), scratch.notes.join()]) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(kek);
  }
});

test("the list tells which of two is on its way out", async () => {
  const first = await issued(issue);
  const second = await issued(`rotate signing ${first.id} ${where}`);
  const states = async () => {
    const { keys } = JSON.parse(await scratch.type(`list signing ${where} --json`)) as {
      keys: Record<string, string>[];
    };
    return keys.map(({ id, state }) => [id, state]);
  };
  expect(await states()).toEqual([
    [first.id, "rotating"],
    [second.id, "rotating"],
  ]);
  scratch.nowMs += DAY_MS;
  expect(await states()).toEqual([
    [first.id, "expired"],
    [second.id, "live"],
  ]);
  const lines = (await scratch.type(`list signing ${where} --used ${scratch.write("uses", { uses: {} })}`)).split("\n");
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(120);
});

test("a client has two keys for a service at most", async () => {
  const first = await issued(issue);
  const second = await issued(`rotate signing ${first.id} ${where}`);
  const before = scratch.read("keys.json");
  for (const { id } of [first, second]) {
    expect(await scratch.refusal(`rotate signing ${id} ${where}`)).toMatch(
      /^order-service has two signing keys .* no third/,
    );
  }
  expect(scratch.read("keys.json")).toBe(before);
  scratch.nowMs += DAY_MS;
  expect(await scratch.refusal(`rotate signing ${first.id} ${where}`)).toBe(
    `${first.id} has expired; issue a new one.`,
  );
  expect((await issued(`rotate signing ${second.id} ${where}`)).id).toMatch(/^hk-/);
});

test.each<[string, (files: ScratchCommand) => void, RegExp]>([
  [
    "another key",
    (files) => files.write("kek", newKeyEncryptionKey().expose()),
    /no good: it does not open with its key/,
  ],
  ["half a key", (files) => files.write("kek", "abc"), /no good: its key-encryption key \S+ is no good/],
  [
    "a changed file",
    (files) => files.write("keys.json", files.read("keys.json").replace(/.{4}"}/, 'AAAA"}')),
    /does not open/,
  ],
  ["what is no file of keys", (files) => files.write("keys.json", "{}"), /no good: /],
  ["a file that others can read", (files) => chmodSync(files.path("keys.json"), 0o640), /open to others: chmod 600/],
  ["a key that others can read", (files) => chmodSync(files.path("kek"), 0o604), /^The file \S+kek is open to others/],
])("refuses %s in one sentence, and changes nothing", async (_, harm, sentence) => {
  await scratch.type(issue);
  harm(scratch);
  const before = scratch.read("keys.json");
  const refusal = await scratch.refusal(issue);
  expect(refusal).toMatch(sentence);
  expect(refusal).not.toContain("\n");
  expect(scratch.read("keys.json")).toBe(before);
  expect(scratch.names()).toEqual(["kek", "keys.json"]);
});

test("sealed keys without their key-encryption key are not given another", async () => {
  await scratch.type(issue);
  const before = scratch.read("keys.json");
  expect(await scratch.refusal(issue.replace("./kek", "./other"))).toMatch(
    /^The file \S+other cannot be read \(ENOENT\): is the path right\?$/,
  );
  expect(scratch.read("keys.json")).toBe(before);
  expect(scratch.names()).toEqual(["kek", "keys.json"]);
});

test("keys and what opens them are two files", async () => {
  expect(await scratch.refusal(issue.replace("./kek", "./keys.json"))).toBe(
    "--file and --key-encryption-key are one file; they are two, which lie apart.",
  );
  expect(scratch.names()).toEqual([]);
});
