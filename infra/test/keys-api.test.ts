import { chmodSync, symlinkSync } from "node:fs";
import { Metadata } from "@grpc/grpc-js";
import { apiKey } from "@zero-trust/auth/server";
import { apiKeyFile } from "@zero-trust/auth/stores/file";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { withLock } from "../src/command-line/lock.ts";
import { keysCommands } from "../src/keys/commands.ts";
import { type ScratchCommand, scratchCommand } from "./scratch-command.ts";

const audience = "https://payment.production.internal";
const spiffeId = "spiffe://production.internal/reporting";
const issue = `issue api --file ./keys.json --client reporting --audience ${audience} --scope read:transactions`;
const DAY_MS = 86_400_000;

let scratch: ScratchCommand;
beforeEach(() => {
  scratch = scratchCommand("keys", keysCommands);
});
afterEach(() => scratch[Symbol.dispose]());

const idOf = (key: string): string => key.split("-")[2] ?? "";

/** Asks the verifier of a service that reads the file, at the time of the test. */
function service() {
  const keys = apiKeyFile(scratch.path("keys.json"), { reloadMs: 5 });
  const verifier = apiKey({ keys, audience });
  return {
    async verdict(key: string, from = spiffeId): Promise<string> {
      const metadata = new Metadata();
      metadata.set("x-api-key", key);
      const peer = {
        spiffeId: from,
        trustDomain: "production.internal",
        thumbprint: "",
        serialNumber: "",
        notAfterMs: 0,
      };
      const { finding } = await verifier.verify(metadata, {
        path: "/a/B",
        peer,
        nowMs: scratch.nowMs,
        named: new Set(),
      });
      if (finding.verdict === "verified") return `${finding.client}: ${[...finding.scopes].join(" ")}`;
      return finding.verdict === "invalid" ? finding.cause : finding.verdict;
    },
    [Symbol.dispose]: () => keys.close(),
  };
}

describe("an API key", () => {
  test("is good at once, through a rotation, and not after its revocation", async () => {
    const first = await scratch.type(`${issue} --scope read:orders`);
    using verifier = service();
    expect(await verifier.verdict(first)).toBe("reporting: read:transactions read:orders");

    const second = await scratch.type(`rotate api ${idOf(first)} --file ./keys.json --overlap 24h`);
    expect(idOf(second)).toBe(idOf(first));
    await vi.waitFor(async () => expect(await verifier.verdict(second)).toMatch(/^reporting:/));
    expect(await verifier.verdict(first)).toMatch(/^reporting:/);

    scratch.nowMs += DAY_MS - 1;
    expect(await verifier.verdict(first)).toMatch(/^reporting:/);
    scratch.nowMs += 1;
    expect(await verifier.verdict(first)).toBe("the API key's secret has expired");
    expect(await verifier.verdict(second)).toMatch(/^reporting:/);

    const third = await scratch.type(`rotate api ${idOf(first)} --file ./keys.json`);
    await vi.waitFor(async () => expect(await verifier.verdict(third)).toMatch(/^reporting:/));

    await scratch.type(`revoke api ${idOf(first)} --file ./keys.json`);
    for (const key of [second, third]) {
      await vi.waitFor(async () => expect(await verifier.verdict(key)).toBe("the API key is revoked"));
    }
  });

  test("ends by itself, and is for the workloads that it names", async () => {
    const key = await scratch.type(`${issue} --workload ${spiffeId} --expires 90d`);
    using verifier = service();
    expect(await verifier.verdict(key)).toMatch(/^reporting:/);
    expect(await verifier.verdict(key, "spiffe://production.internal/partner")).toBe(
      "the API key is not for this workload",
    );
    scratch.nowMs += 90 * DAY_MS;
    expect(await verifier.verdict(key)).toBe("the API key has expired");
  });

  test("of the other world is refused", async () => {
    const key = await scratch.type(`${issue} --mode test`);
    using verifier = service();
    expect(await verifier.verdict(key)).toBe("a test key, where live keys are taken");
  });
});

describe("the secret", () => {
  test("stands alone on standard output, once, and never in the file or the list", async () => {
    const key = await scratch.type(issue);
    expect(key).toMatch(/^sk-live-[a-z0-9]{12}-\S{51}$/);
    const secret = key.slice("sk-live-".length + 13);
    const list = await scratch.type("list api --file ./keys.json");
    const json = await scratch.type("list api --file ./keys.json --json");
    expect(list).toContain(idOf(key));
    for (const text of [list, json, scratch.read("keys.json"), scratch.notes.join()])
      expect(text).not.toContain(secret);
  });

  test("goes to a file that only its owner can read, and that is never one that was there", async () => {
    expect(await scratch.type(`${issue} --out ./secret`)).toBe("");
    expect(scratch.read("secret")).toMatch(/^sk-live-\S+$/);
    expect(scratch.mode("secret")).toBe("600");
    const before = scratch.read("keys.json");
    expect(await scratch.refusal(`${issue} --out ./secret`)).toMatch(
      /secret cannot be written: a file is in the way\.$/,
    );
    expect(scratch.read("keys.json")).toBe(before);
  });

  test("is not left in a file when its key could not be registered", async () => {
    scratch.write("keys.json", "{");
    expect(await scratch.refusal(`${issue} --out ./secret`)).toMatch(/keys\.json is no good: it is not JSON\.$/);
    expect(scratch.names()).toEqual(["keys.json"]);
  });

  test("comes with a word on a scope that nothing asks for", async () => {
    await scratch.type(`${issue} --scope read:transaction`);
    expect(scratch.notes[0]).toBe(
      'No service here knows the scope "read:transaction". Did you mean "read:transactions"?',
    );
  });

  test("is in JSON, for programs", async () => {
    const json = JSON.parse(await scratch.type(`${issue} --json`)) as Record<string, unknown>;
    expect(json).toMatchObject({ client: "reporting", audience, scopes: ["read:transactions"] });
    expect(json["secret"]).toContain(json["id"]);
  });
});

describe("the list", () => {
  test("tells all there is to know, in 120 columns", async () => {
    const [one, two, three, four] = [
      await scratch.type(`${issue} --scope read:orders --workload ${spiffeId}`),
      await scratch.type(issue),
      await scratch.type(`${issue} --expires 1h`),
      await scratch.type(issue),
    ].map(idOf);
    await scratch.type(`rotate api ${two} --file ./keys.json`);
    await scratch.type(`revoke api ${four} --file ./keys.json`);
    scratch.nowMs += 2 * 3_600_000;
    scratch.write("uses.json", { uses: { [one ?? ""]: "2026-03-01T13:00:00Z" } });
    const { keys } = JSON.parse(await scratch.type("list api --file ./keys.json --used ./uses.json --json")) as {
      keys: Record<string, unknown>[];
    };
    expect(keys.map(({ id, state }) => [id, state])).toEqual([
      [one, "live"],
      [two, "rotating"],
      [three, "expired"],
      [four, "revoked"],
    ]);
    expect(keys[0]).toEqual({
      id: one,
      client: "reporting",
      audiences: { [audience]: ["read:transactions", "read:orders"] },
      workloads: [spiffeId],
      createdAt: "2026-03-01T12:00:00.000Z",
      lastUsedAt: "2026-03-01T13:00:00Z",
      state: "live",
    });
    expect(keys[1]).toMatchObject({ overlapEndsAt: "2026-03-02T12:00:00.000Z" });
    const lines = (await scratch.type("list api --file ./keys.json --used ./uses.json")).split("\n");
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(120);
    expect(lines[1]).toMatch(
      /payment\.production\.internal {2}read:transactions {2}2026-03-01 {2}- +2026-03-01 {2}live$/,
    );
    expect(lines.find((line) => line.startsWith(two ?? "?"))).toMatch(/never +rotating until$/);
  });
});

describe("a mistake", () => {
  test.each([
    [
      "an id that is not there",
      "rotate api nosuchkey123 --file ./keys.json",
      /^There is no nosuchkey123 in \S+keys\.json; list shows/,
    ],
    ["an id with a slip", "revoke api xID --file ./keys.json", /^There is no x\w+ in \S+\. Did you mean "\w{12}"\?$/],
    [
      "a folder that is not there",
      issue.replace("./keys.json", "./none/keys.json"),
      /keys\.json\.lock cannot be written: its folder does not exist\.$/,
    ],
    ["an audience with a path", issue.replace(audience, `${audience}/`), /is no audience; one looks like https:/],
    ["an audience without https", issue.replace("https", "http"), /is no audience/],
    ["a scope with a comma for a space", `${issue} --scope ""`, /is no scope/],
    [
      "a client out of its grammar",
      issue.replace("reporting", "Reporting"),
      /^"Reporting" is no client; one looks like order-service/,
    ],
    ["a workload that is none", `${issue} --workload reporting`, /^"reporting" is no SPIFFE ID/],
    ["a time that is none", `${issue} --expires 90`, /^--expires must be a time such as .* "90"\.$/],
    ["an overlap of nothing", "rotate api ID --file ./keys.json --overlap 0h", /^--overlap must be a time/],
    ["a world that is none", `${issue} --mode prod`, /^--mode must be live or test/],
    ["no scope", issue.replace(/ --scope.*/, ""), /^--scope is missing/],
    ["two ways to hand over", `${issue} --out ./secret --json`, /^Say --out or --json/],
    ["no kind", "issue", /^Which command\?\n {2}pnpm zt keys issue api/],
    ["a kind that is none", "issue apikey", /^There is no command "keys issue apikey"\.\n {2}pnpm zt keys issue api /],
  ])("of %s is one sentence, and leaves the file alone", async (_, line, sentence) => {
    const id = idOf(await scratch.type(issue));
    const before = scratch.read("keys.json");
    expect(await scratch.refusal(line.replace("ID", id))).toMatch(sentence);
    expect(scratch.read("keys.json")).toBe(before);
    expect(scratch.names()).toEqual(["keys.json"]);
  });

  test("of a third secret says until when there is none", async () => {
    const id = idOf(await scratch.type(issue));
    await scratch.type(`rotate api ${id} --file ./keys.json --overlap 2h`);
    const before = scratch.read("keys.json");
    expect(await scratch.refusal(`rotate api ${id} --file ./keys.json`)).toBe(
      `${id} is being rotated and has two secrets already; it gets no third before 2026-03-01 14:00Z.`,
    );
    expect(scratch.read("keys.json")).toBe(before);
  });

  test("of rotating what is revoked, or has expired, does not bring it back", async () => {
    const [revoked, expired] = [idOf(await scratch.type(issue)), idOf(await scratch.type(`${issue} --expires 1h`))];
    await scratch.type(`revoke api ${revoked} --file ./keys.json`);
    scratch.nowMs += 2 * 3_600_000;
    expect(await scratch.refusal(`rotate api ${revoked} --file ./keys.json`)).toBe(
      `${revoked} is revoked; issue a new one.`,
    );
    expect(await scratch.refusal(`rotate api ${expired} --file ./keys.json`)).toBe(
      `${expired} has expired; issue a new one.`,
    );
  });

  test("of a file that is not there, or no key file", async () => {
    expect(await scratch.refusal("list api --file ./keys.json")).toMatch(
      /keys\.json cannot be read: it does not exist\.$/,
    );
    expect(await scratch.refusal("revoke api x --file ./keys.json")).toMatch(/cannot be read: it does not exist\.$/);
    scratch.write("keys.json", { keys: [{ id: "x" }] });
    expect(await scratch.refusal("list api --file ./keys.json")).toMatch(/keys\.json is no good: keys\[0\]/);
    expect(scratch.names()).toEqual(["keys.json"]);
  });
});

describe("the file", () => {
  test("keeps its mode, and stays where a link leads", async () => {
    await scratch.type(issue);
    expect(scratch.mode("keys.json")).toBe("644");
    chmodSync(scratch.path("keys.json"), 0o664);
    symlinkSync(scratch.path("keys.json"), scratch.path("link.json"));
    const key = await scratch.type(issue.replace("./keys.json", "./link.json"));
    expect(scratch.mode("keys.json")).toBe("664");
    expect(scratch.read("keys.json")).toContain(idOf(key));
  });

  test("has what somebody else wrote while a command waited for its turn", async () => {
    const first = await scratch.type(issue);
    const before = scratch.read("keys.json");
    const other = await scratch.type(issue);
    const after = scratch.read("keys.json");
    scratch.write("keys.json", before);
    let waiting: Promise<string> | undefined;
    await withLock(
      `${scratch.path("keys.json")}.lock`,
      async () => {
        waiting = scratch.type(issue);
        // Long enough for a command that does not wait to have done it all.
        for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
        scratch.write("keys.json", after);
      },
      { what: "the keys" },
    );
    const own = await waiting;
    for (const key of [first, other, own ?? ""]) expect(scratch.read("keys.json")).toContain(idOf(key));
    expect(scratch.names()).toEqual(["keys.json"]);
  });
});
