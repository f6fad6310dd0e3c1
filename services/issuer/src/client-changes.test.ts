import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askForToken, askToRevoke, basic, denylist, tokenIn } from "../test/requests.ts";
import { clientsDocument, type StartedIssuer, sha256Of, startIssuer, writeIssuerFile } from "../test/start-issuer.ts";
import { isFile } from "../test/test-database.ts";

let folder: string;
let started: StartedIssuer;
let nowMs: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "revocation-"));
  nowMs = Date.now();
  started = await startIssuer({ folder, now: () => nowMs });
});
afterEach(async () => {
  await started[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function restart(): Promise<void> {
  const { ca } = started;
  await started[Symbol.asyncDispose]();
  started = await startIssuer({ folder, ca, now: () => nowMs });
}

const records = () => started.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
const nothing = { tokens: [], clients: [] };
const seconds = () => Math.floor(nowMs / 1000);

/** The clients file with one client other than it was; gone when there are no changes. */
function clientsWith(clientId: string, changes?: Record<string, unknown>) {
  const { clients } = clientsDocument(started.partnerSecret);
  return {
    clients: clients.flatMap((client) =>
      client["clientId"] !== clientId ? [client] : changes === undefined ? [] : [{ ...client, ...changes }],
    ),
  };
}

const ago = (ms: number) => new Date(nowMs - ms).toISOString();

describe("the file of clients", () => {
  test("takes a client's tokens away when it is revoked, and gives it none from then on (B22)", async () => {
    const { iat } = tokenIn(await askForToken(started));
    nowMs += 2000;
    await started.change("clients", clientsWith("storefront", { revokedAt: ago(500) }));
    expect(await denylist(started)).toEqual({ tokens: [], clients: [{ client_id: "storefront", before: seconds() }] });
    expect(seconds()).toBeGreaterThan(iat);
    expect((await askForToken(started)).status).toBe(401);
    expect((await askToRevoke(started, "x")).status).toBe(401);
    expect(records()).toContainEqual(
      expect.objectContaining({ msg: "all tokens of a client", outcome: "revoked", client: "storefront" }),
    );
  });

  test("does so when the time comes that it names", async () => {
    await started.change("clients", clientsWith("storefront", { revokedAt: ago(-60_000) }));
    expect((await askForToken(started)).status).toBe(200);
    expect(await denylist(started)).toEqual(nothing);
    nowMs += 60_000;
    expect((await askForToken(started)).status).toBe(401);
    await started.refresh();
    expect((await denylist(started)).clients).toEqual([{ client_id: "storefront", before: seconds() }]);
  });

  test.each<[string, Record<string, unknown> | undefined]>([
    ["is gone", undefined],
    ["is another workload", { spiffeId: "spiffe://production.internal/storefront-2" }],
  ])("takes a client's tokens away when it %s, also while the issuer was down", async (_, changes) => {
    for (const round of ["running", "down"]) {
      await started.change("clients", clientsWith("storefront", {}));
      tokenIn(await askForToken(started));
      nowMs += 400_000;
      await started.refresh();
      expect(await denylist(started)).toEqual(nothing);
      if (round === "down") {
        writeIssuerFile(folder, "clients", clientsWith("storefront", changes));
        await restart();
      } else await started.change("clients", clientsWith("storefront", changes));
      expect((await denylist(started)).clients).toEqual([{ client_id: "storefront", before: seconds() }]);
      expect((await askForToken(started)).status).toBe(401);
    }
  });

  test("lets a client in again, whose new tokens are good and whose old ones are not", async () => {
    await started.change("clients", clientsWith("storefront", { revokedAt: ago(0) }));
    const before = seconds();
    nowMs += 5000;
    await started.change("clients", clientsWith("storefront", {}));
    expect((await askForToken(started)).status).toBe(200);
    expect((await denylist(started)).clients).toEqual([{ client_id: "storefront", before }]);
    await restart();
    expect((await denylist(started)).clients).toEqual([{ client_id: "storefront", before }]);
    nowMs += 361_000;
    await started.refresh();
    expect(await started.db.selectFrom("revoked_clients").selectAll().execute()).toEqual([]);
  });

  test.runIf(isFile())("revokes a client that a new database hears of as revoked", async () => {
    await started.change("clients", clientsWith("storefront", { revokedAt: ago(1000) }));
    await started[Symbol.asyncDispose]();
    rmSync(join(folder, "issuer.db"));
    started = await startIssuer({ folder, ca: started.ca, now: () => nowMs });
    expect((await denylist(started)).clients).toMatchObject([{ client_id: "storefront" }]);
  });

  test.runIf(isFile())(
    "is followed while a token is being made: nothing goes out to a client that is revoked by then",
    async () => {
      const held = Promise.withResolvers<void>();
      const holding = started.db.transaction().execute(() => held.promise);
      const arrived = once(started.server, "request");
      const asking = askForToken(started);
      await arrived;
      const changing = started.change("clients", clientsWith("storefront", { revokedAt: ago(0) }));
      held.resolve();
      await Promise.all([holding, changing]);
      expect((await asking).status).toBe(401);
      expect(records()).toContainEqual(
        expect.objectContaining({ outcome: "refused", cause: "the client was revoked meanwhile" }),
      );
    },
  );

  test("lets two secrets be good until the old one expires", async () => {
    const expiresAt = ago(-60_000);
    const secrets = [{ sha256: sha256Of(started.partnerSecret), expiresAt }, { sha256: sha256Of("the new one") }];
    await started.change("clients", clientsWith("partner", { secrets }));
    const ask = (secret: string) =>
      askForToken(started, { client_id: undefined }, { as: started.partner, ...basic(secret) });
    expect([(await ask(started.partnerSecret)).status, (await ask("the new one")).status]).toEqual([200, 200]);
    nowMs += 60_000;
    expect([(await ask(started.partnerSecret)).status, (await ask("the new one")).status]).toEqual([401, 200]);
    expect((await ask(sha256Of("the new one"))).status).toBe(401);
  });

  test("keeps the last good version", async () => {
    await started.change("clients", { clients: [{}] });
    await started.refresh();
    expect((await askForToken(started)).status).toBe(200);
    expect(records().filter(({ msg }) => msg === "the version before stays in force")).toHaveLength(1);
  });
});
