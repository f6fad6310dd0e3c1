import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ClientEntry } from "../src/keys/client-entry.ts";
import { keysCommands } from "../src/keys/commands.ts";
import { type ScratchCommand, scratchCommand } from "./scratch-command.ts";

const order = "https://order.production.internal";
const payment = "https://payment.production.internal";
const file = "--file ./clients.json";
const workload = "--workload spiffe://production.internal/partner";
const issue = (authentication: string) =>
  `issue client partner ${file} ${workload} --authentication ${authentication} --audience ${order} --scope read:orders`;
const DAY_MS = 86_400_000;

let scratch: ScratchCommand;
beforeEach(() => {
  scratch = scratchCommand("keys", keysCommands);
});
afterEach(() => scratch[Symbol.dispose]());

function clients(): readonly ClientEntry[] {
  return (JSON.parse(scratch.read("clients.json")) as { clients: ClientEntry[] }).clients;
}

describe("a client of the issuer", () => {
  test("with a secret gets it once, a second one in a rotation, and no third", async () => {
    const first = await scratch.type(issue("client_secret_basic"));
    expect(first).toMatch(/^[\w-]{43}$/);
    const second = await scratch.type(`rotate client partner ${file} --overlap 2h`);
    const [kept] = clients();
    expect(kept?.secrets?.map(({ expiresAt }) => expiresAt)).toEqual(["2026-03-01T14:00:00.000Z", undefined]);
    for (const secret of [first, second]) {
      for (const text of [scratch.read("clients.json"), await scratch.type(`list client ${file} --json`)]) {
        expect(text).not.toContain(secret);
      }
    }
    expect(await scratch.refusal(`rotate client partner ${file}`)).toMatch(/gets no third before 2026-03-01 14:00Z\.$/);
    scratch.nowMs += DAY_MS;
    await scratch.type(`rotate client partner ${file}`);
    expect(clients()[0]?.secrets?.[0]?.sha256).toBe(kept?.secrets?.[1]?.sha256);
  });

  test("with a key gets the private one once, and the file has the public one", async () => {
    const jwk = JSON.parse(await scratch.type(issue("private_key_jwt"))) as Record<string, string>;
    const [kept] = clients();
    const { d, ...publicJwk } = jwk;
    expect(d).toMatch(/^[\w-]{43}$/);
    expect(kept?.keys?.map((key) => key.jwk)).toEqual([publicJwk]);
    expect(scratch.read("clients.json")).not.toContain(d);
  });

  test("with a key of its own making registers it, and its private part never comes near", async () => {
    const { d, kid: _, ...own } = JSON.parse(await scratch.type(issue("private_key_jwt"))) as Record<string, string>;
    scratch.write("public.json", own);
    scratch.write("private.json", { ...own, d });
    expect(await scratch.refusal(`rotate client partner ${file} --public-key ./private.json`)).toMatch(
      /is no public key; take/,
    );
    expect(await scratch.type(`rotate client partner ${file} --public-key ./public.json`)).toBe("");
    expect(clients()[0]?.keys?.[1]?.jwk).toMatchObject(own);
  });

  test("of its certificate alone has nothing to show, and nothing to rotate", async () => {
    expect(await scratch.type(issue("tls_client_auth"))).toBe("");
    expect(scratch.notes.at(-1)).toBe("Its certificate proves who it is; there is no secret.");
    expect(await scratch.refusal(`rotate client partner ${file}`)).toMatch(/by its certificate alone/);
  });

  test("may get other tokens, and none", async () => {
    await scratch.type(issue("tls_client_auth"));
    await scratch.type(
      `grant client partner ${file} --audience ${payment} --scope read:transactions --scope write:payments`,
    );
    await scratch.type(`grant client partner ${file} --audience ${order} --none`);
    expect(clients()[0]?.audiences).toEqual({ [payment]: ["read:transactions", "write:payments"] });
    const lines = (await scratch.type(`list client ${file}`)).split("\n");
    expect(lines[1]).toMatch(/^partner +payment\.production\.internal +read:transactions +2026-03-01/);
    expect(lines[2]).toMatch(/^ {2}tls_client_auth +write:payments/);
  });

  test.each<[string, string, RegExp]>([
    ["a client twice", issue("tls_client_auth"), /^partner is in \S+ already; grant, rotate or revoke it\.$/],
    [
      "a workload twice",
      issue("tls_client_auth").replace("client partner", "client other"),
      /clients\.1\.spiffeId is another/,
    ],
    [
      "another trust domain",
      issue("tls_client_auth").replace("client partner", "client other").replace("production.internal/", "x.y/"),
      /clients\.1\.spiffeId must be of the trust domain production\.internal\.$/,
    ],
    ["a way that is none", issue("none"), /^"none" is no way to authenticate; there are tls_client_auth, /],
    [
      "a public key for a secret",
      `${issue("client_secret_basic")} --public-key ./x`,
      /^--public-key is for private_key_jwt/,
    ],
    ["a client that is not there", `revoke client nobody ${file}`, /^There is no nobody in /],
    ["scopes and none", `grant client partner ${file} --audience ${order} --scope a --none`, /^Say --scope or --none/],
    ["no scopes", `grant client partner ${file} --audience ${order}`, /^--scope is missing/],
    [
      "a secret where there is none",
      `${issue("tls_client_auth").replace("client partner", "client other")} --out ./x`,
      /^There is no secret/,
    ],
  ])("refuses %s in one sentence, and leaves the file alone", async (_, line, sentence) => {
    await scratch.type(issue("tls_client_auth"));
    const before = scratch.read("clients.json");
    expect(await scratch.refusal(line)).toMatch(sentence);
    expect(scratch.read("clients.json")).toBe(before);
    expect(scratch.names()).toEqual(["clients.json"]);
  });
});

describe("the issuer's keys", () => {
  const keys = "--file ./jwks.json";
  const states = async () => {
    const { keys: listed } = JSON.parse(await scratch.type(`list issuer ${keys} --json`)) as {
      keys: { id: string; state: string }[];
    };
    return listed.map(({ state }) => state);
  };

  test("are published before they sign, and kept until their last token has expired", async () => {
    await scratch.type(`issue issuer ${keys}`);
    expect(scratch.mode("jwks.json")).toBe("600");
    expect(await states()).toEqual(["signs"]);
    scratch.nowMs += DAY_MS;
    await scratch.type(`rotate issuer ${keys}`);
    expect(await states()).toEqual(["signs", "next"]);
    scratch.nowMs += 60_000;
    expect(await states()).toEqual(["verifies", "signs"]);
    // Its last token is good for five minutes; the issuer may have been restarted meanwhile.
    scratch.nowMs += 300_000;
    await scratch.type(`rotate issuer ${keys}`);
    expect(await states()).toEqual(["verifies", "signs", "next"]);
    scratch.nowMs += 300_000;
    await scratch.type(`rotate issuer ${keys}`);
    const [note] = scratch.notes;
    expect(await states()).toEqual(["verifies", "signs", "next"]);
    expect(note).toMatch(/^[0-9a-f]{16} is taken out; its last token has expired\.$/);
  });

  test("of an issuer that waits longer are kept longer", async () => {
    await scratch.type(`issue issuer ${keys}`);
    scratch.nowMs += DAY_MS;
    await scratch.type(`rotate issuer ${keys} --lead 1h`);
    scratch.nowMs += 1_000_000;
    await scratch.type(`rotate issuer ${keys} --lead 1h`);
    expect((JSON.parse(scratch.read("jwks.json")) as { keys: unknown[] }).keys).toHaveLength(3);
  });

  test("can be withdrawn at once, all but the last; none is shown", async () => {
    await scratch.type(`issue issuer ${keys}`);
    expect(await scratch.refusal(`issue issuer ${keys}`)).toMatch(/has a key already; rotate adds/);
    const [first] = (JSON.parse(scratch.read("jwks.json")) as { keys: { kid: string; d: string }[] }).keys;
    expect(await scratch.refusal(`revoke issuer ${first?.kid} ${keys}`)).toMatch(/is the only key; rotate first/);
    await scratch.type(`rotate issuer ${keys}`);
    expect(`${await scratch.type(`list issuer ${keys}`)}${scratch.notes.join()}`).not.toContain(first?.d);
    await scratch.type(`revoke issuer ${first?.kid} ${keys}`);
    expect(scratch.read("jwks.json")).not.toContain(first?.kid);
    expect(await scratch.refusal(`revoke issuer ${first?.kid} ${keys}`)).toMatch(/^There is no /);
  });
});
