import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
// The polyfill must be there before @peculiar/x509 is loaded.
import "reflect-metadata";
import { X509Crl } from "@peculiar/x509";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listsIn, type ScratchPki, scratchWithPki } from "./scratch-pki.ts";

let scratch: ScratchPki;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const pki = ["--dir", "./pki"] as const;
const path = (name: string) => join(scratch.folder, name);
const serialOf = (folder: string) => scratch.leaf(folder).serialNumber.toLowerCase();

beforeEach(async () => {
  scratch = await scratchWithPki();
  for (const name of ["order", "payment"]) await scratch.type("issue", name, ...pki, "--out", `./${name}`);
});
afterEach(() => scratch[Symbol.dispose]());

/** The lists in a folder by the name of their CA. */
function lists(folder: string) {
  const parsed = listsIn(scratch.read(`${folder}/ca.crl`)).map((pem) => new X509Crl(pem));
  return Object.fromEntries(
    parsed.map((list) => [
      list.issuer.replace("CN=production.internal ", ""),
      {
        number: Buffer.from(list.getExtension("2.5.29.20")?.value ?? new ArrayBuffer()).toString("hex"),
        from: list.thisUpdate.getTime(),
        to: list.nextUpdate?.getTime() ?? 0,
        revoked: list.entries.map(({ serialNumber, reason }) => ({ serialNumber, reason })),
      },
    ]),
  );
}

describe("revoking", () => {
  it("a serial number puts it on the list in every folder, with a greater number", async () => {
    const before = lists("payment")["intermediate 1"];
    scratch.nowMs += HOUR_MS;
    const serial = serialOf("order");
    const colons = serial.toUpperCase().replaceAll(/(..)(?=.)/g, "$1:");
    expect(await scratch.type("revoke", colons, ...pki, "--reason", "key-compromise")).toBe(
      `Revoked order ${serial}.\n2 folders got the new list.`,
    );
    for (const folder of ["order", "payment"]) {
      const after = lists(folder)["intermediate 1"];
      expect(after).toMatchObject({ number: "020102", revoked: [{ serialNumber: serial, reason: 1 }] });
      expect(after?.from).toBeGreaterThan(before?.from ?? 0);
      expect(lists(folder)["root 1"]).toMatchObject({ number: "020101", revoked: [] });
    }
  });

  it("a folder takes what it had before, too: whoever has read it has had them all", async () => {
    const old = serialOf("order");
    await scratch.type("renew", "./order", ...pki, "--force");
    await scratch.type("revoke", "./order", ...pki);
    const revoked = lists("payment")["intermediate 1"]?.revoked.map(({ serialNumber }) => serialNumber);
    expect(revoked?.toSorted()).toEqual([old, serialOf("order")].toSorted());
  });

  it("again changes nothing, and writes the list where it was missed", async () => {
    await scratch.type("revoke", "./order", ...pki);
    rmSync(path("payment/ca.crl"));
    expect(await scratch.type("revoke", "./order", ...pki)).toBe("It was revoked already.\n1 folder got the new list.");
    expect(lists("payment")["intermediate 1"]).toMatchObject({ number: "020102" });
  });

  it("an intermediate needs the root's key, and ends what it signs", async () => {
    const { authorities } = JSON.parse(scratch.read("pki/index.json")) as {
      authorities: { root: { serial: string }; intermediate: { serial: string } }[];
    };
    const { root, intermediate } = authorities[0] ?? { root: { serial: "" }, intermediate: { serial: "" } };
    renameSync(path("pki/root-keys"), path("usb"));
    const before = scratch.read("pki/index.json");
    expect(await scratch.refusal("revoke", intermediate.serial, ...pki)).toMatch(/root's key \S+ is not there; bring/);
    expect(scratch.read("pki/index.json")).toBe(before);
    await scratch.type("revoke", intermediate.serial, ...pki, "--root-keys", "./usb", "--reason", "ca-compromise");
    expect(lists("order")["root 1"]).toMatchObject({
      number: "020102",
      revoked: [{ serialNumber: intermediate.serial, reason: 2 }],
    });
    expect(await scratch.refusal("issue", "late", ...pki, "--out", "./late")).toMatch(/is revoked, so nobody lets in/);
    expect(await scratch.refusal("revoke", root.serial, ...pki)).toMatch(/^A root cannot be revoked/);
  });

  it("refuses what is not there, and a reason that is none", async () => {
    expect(await scratch.refusal("revoke", "4242", ...pki)).toMatch(/^"4242" is neither a serial number of the PKI/);
    mkdirSync(path("empty"));
    expect(await scratch.refusal("revoke", "./empty", ...pki)).toMatch(/empty has no tls\.crt/);
    expect(await scratch.refusal("revoke", "./order", ...pki, "--reason", "mood")).toMatch(
      /^"mood" is no reason; there are key-compromise,/,
    );
    expect(lists("order")["intermediate 1"]).toMatchObject({ number: "020101" });
  });

  it("passes over a folder that is gone or somebody else's now, and names one that cannot be written", async () => {
    for (const name of ["gone", "theirs", "stuck"]) await scratch.type("issue", name, ...pki, "--out", `./${name}`);
    rmSync(path("gone"), { recursive: true });
    rmSync(path("theirs"), { recursive: true });
    await scratch.type("init", "--dir", "./their-pki");
    await scratch.type("issue", "theirs", "--dir", "./their-pki", "--out", "./theirs");
    const untouched = scratch.read("theirs/ca.crl");
    // A folder in the place of a link stops everybody, root too.
    rmSync(path("stuck/ca.crl"));
    mkdirSync(path("stuck/ca.crl"));
    const refusal = await scratch.refusal("revoke", "./order", ...pki);
    expect(refusal).toMatch(/stuck.* cannot be (read|written): it is a folder\.\nMend that and run crl/);
    expect(scratch.said.join("\n")).toMatch(/Passed over \S+\/gone.*\nPassed over \S+\/theirs/);
    expect(scratch.read("theirs/ca.crl")).toBe(untouched);
    expect(lists("payment")["intermediate 1"]?.revoked).toHaveLength(1);
    rmSync(path("stuck/ca.crl"), { recursive: true });
    await scratch.type("crl", ...pki);
    expect(lists("stuck")["intermediate 1"]?.revoked).toHaveLength(1);
  });

  it("is forgotten by the list when the certificate ended a list's life ago, not before", async () => {
    await scratch.type("revoke", "./order", ...pki);
    scratch.nowMs += 7.9 * DAY_MS;
    await scratch.type("crl", ...pki);
    expect(lists("payment")["intermediate 1"]?.revoked).toHaveLength(1);
    scratch.nowMs += 0.2 * DAY_MS;
    await scratch.type("crl", ...pki);
    expect(lists("payment")["intermediate 1"]?.revoked).toHaveLength(0);
  });
});

describe("the lists", () => {
  it("are signed anew by crl, and by renew when half of their life is over", async () => {
    await scratch.type("crl", ...pki);
    expect(lists("order")).toMatchObject({ "intermediate 1": { number: "020102" }, "root 1": { number: "020102" } });
    scratch.nowMs += 3 * DAY_MS;
    await scratch.type("renew", "./order", ...pki);
    expect(lists("order")).toMatchObject({ "intermediate 1": { number: "020102" } });
    scratch.nowMs += 2 * DAY_MS;
    await scratch.type("renew", "./order", ...pki);
    const renewed = lists("payment")["intermediate 1"];
    expect(renewed).toMatchObject({ number: "020103" });
    expect(renewed?.to).toBe(Math.floor((scratch.nowMs + 7 * DAY_MS) / 1000) * 1000);
  });

  it("go into other folders alone", async () => {
    await scratch.type("crl", ...pki, "--out", "./gateway", "--out", "./proxy");
    expect(scratch.read("gateway/ca.crl")).toBe(scratch.read("order/ca.crl"));
    expect(existsSync(path("proxy/ca.crl"))).toBe(true);
    expect(existsSync(path("gateway/ca.crt"))).toBe(false);
  });

  it("of a root whose key is offline stays, and its end is announced from its half on", async () => {
    renameSync(path("pki/root-keys"), path("usb"));
    expect(await scratch.type("crl", ...pki)).not.toMatch(/bring its key back/);
    expect(lists("order")).toMatchObject({ "intermediate 1": { number: "020102" }, "root 1": { number: "020101" } });
    scratch.nowMs += 91 * DAY_MS;
    const end = new Date(scratch.nowMs + 89 * DAY_MS).toISOString().slice(0, 10);
    expect(await scratch.type("crl", ...pki)).toContain(
      `list of production.internal root 1 ends on ${end}, and nothing`,
    );
    await scratch.type("crl", ...pki, "--root-keys", "./usb");
    expect(lists("order")).toMatchObject({ "root 1": { number: "020102" } });
  });

  it("number 128 and more are positive", async () => {
    const index = JSON.parse(scratch.read("pki/index.json")) as {
      authorities: { intermediate: { crl: { number: number } } }[];
    };
    for (const { intermediate } of index.authorities) intermediate.crl.number = 127;
    writeFileSync(path("pki/index.json"), JSON.stringify(index));
    await scratch.type("crl", ...pki);
    expect(lists("order")).toMatchObject({ "intermediate 1": { number: "02020080" } });
  });
});

describe("a rotation of the CA", () => {
  it("goes in its three steps only, and deletes the old keys", async () => {
    for (const step of ["--reissue", "--finish"]) {
      expect(await scratch.refusal("rotate-ca", step, ...pki)).toMatch(/^No rotation is on its way; begin one/);
    }
    const before = scratch.leaf("order").issuer;
    await scratch.type("rotate-ca", ...pki);
    expect(scratch.leaf("order").issuer).toBe(before);
    expect(Object.keys(lists("order"))).toEqual(["intermediate 1", "root 1", "intermediate 2", "root 2"]);
    expect(await scratch.refusal("rotate-ca", ...pki)).toMatch(/go on with: pnpm zt pki rotate-ca --reissue/);
    expect(await scratch.refusal("rotate-ca", "--finish", ...pki)).toMatch(/^First give everybody a new certificate/);
    await scratch.type("issue", "new", ...pki, "--out", "./new");
    expect(scratch.leaf("new").issuer).toBe(before);

    await scratch.type("rotate-ca", "--reissue", ...pki);
    expect(scratch.leaf("order").issuer).toBe("CN=production.internal intermediate 2");
    expect(await scratch.refusal("rotate-ca", ...pki)).toMatch(/go on with: pnpm zt pki rotate-ca --finish/);
    expect(await scratch.type("rotate-ca", "--reissue", ...pki)).toMatch(/^No folder needs a certificate/);

    await scratch.type("rotate-ca", "--finish", ...pki);
    expect(scratch.read("order/ca.crt").match(/BEGIN/g)).toHaveLength(1);
    expect(Object.keys(lists("order"))).toEqual(["intermediate 2", "root 2"]);
    for (const key of ["root-keys/1.key", "intermediate-keys/1.key"])
      expect(existsSync(path(`pki/${key}`))).toBe(false);
    for (const key of ["root-keys/2.key", "intermediate-keys/2.key"]) expect(existsSync(path(`pki/${key}`))).toBe(true);
  });

  it("does not give out certificates of a root that a folder could not be given", async () => {
    await scratch.type("rotate-ca", ...pki);
    rmSync(path("payment/ca.crt"));
    mkdirSync(path("payment/ca.crt"));
    expect(await scratch.refusal("rotate-ca", "--reissue", ...pki)).toMatch(/Every folder needs the new root first/);
    expect(scratch.leaf("order").issuer).toBe("CN=production.internal intermediate 1");
  });

  it("is not finished while somebody would be shut out", async () => {
    await scratch.type("rotate-ca", ...pki);
    renameSync(path("payment"), path("away"));
    await scratch.type("rotate-ca", "--reissue", ...pki);
    expect(await scratch.refusal("rotate-ca", "--finish", ...pki)).toMatch(
      /^Certificates of the old CA are in use and would be refused: payment in \S+\/payment; run/,
    );
    renameSync(path("away"), path("payment"));
    await scratch.type("rotate-ca", "--reissue", ...pki);
    await scratch.type("rotate-ca", "--finish", ...pki);
    expect(scratch.leaf("payment").issuer).toBe("CN=production.internal intermediate 2");
  });
});

describe("show", () => {
  it("prints a table, and the same for programs", async () => {
    scratch.nowMs = Date.parse("2031-01-02T03:04:05Z");
    const other = await scratchWithPki();
    other.nowMs = scratch.nowMs;
    rmSync(join(other.folder, "pki"), { recursive: true });
    await other.type("init", ...pki);
    await other.type("issue", "order-service", ...pki, "--out", "./order");
    await other.type("issue", "payment", ...pki, "--out", "./payment");
    other.nowMs += 13 * HOUR_MS;
    await other.type("renew", "./order", ...pki);
    await other.type("revoke", "./payment", ...pki);
    const shown = (await other.type("show", ...pki))
      .replaceAll(/[0-9a-f]{32}/g, "SERIAL")
      .replaceAll(other.folder, "FOLDER");
    expect(`\n${shown}\n`).toBe(`
Trust domain production.internal

CA                                  serial                            to                 left       state   revocation list
production.internal root 1          SERIAL  2040-12-30 03:04Z  3649 days  active  1, until 2031-07-01 03:04Z
production.internal intermediate 1  SERIAL  2033-01-01 03:04Z  729 days   active  2, until 2031-01-09 16:04Z

workload       serial                            from               to                 left  state                      CA                                  folder
order-service  SERIAL  2031-01-02 03:03Z  2031-01-03 03:04Z  11 h  replaced                   production.internal intermediate 1  FOLDER/order
payment        SERIAL  2031-01-02 03:03Z  2031-01-03 03:04Z  11 h  revoked 2031-01-02 16:04Z  production.internal intermediate 1  FOLDER/payment
order-service  SERIAL  2031-01-02 16:03Z  2031-01-03 16:04Z  24 h  good                       production.internal intermediate 1  FOLDER/order
`);
    expect(JSON.parse(await other.type("show", ...pki, "--json"))).toMatchObject({
      trustDomain: "production.internal",
      authorities: [{ crlNumber: 1 }, { crlNumber: 2, state: "active" }],
      certificates: [
        { workload: "order-service", state: "replaced", remainingSeconds: 11 * 3600 },
        { workload: "payment", state: "revoked", revokedAt: "2031-01-02T16:04:05.000Z" },
        { workload: "order-service", state: "good" },
      ],
    });
    // A folder says it of itself: what it knows is the list that it was given.
    expect(await other.type("show", "./payment")).toMatch(/payment .*revoked 2031-01-02 16:04Z/);
    other.nowMs += 12 * HOUR_MS;
    expect(await other.type("show", "./order")).toMatch(/ due /);
    other.nowMs += DAY_MS;
    expect(await other.type("show", ...pki)).toMatch(
      /\nNo certificate that is still good; --all shows those that have ended\.$/,
    );
    expect(await other.type("show", ...pki, "--all")).toMatch(/ over .* expired /);
    other[Symbol.dispose]();
  });

  it("wants one thing to show", async () => {
    expect(await scratch.refusal("show")).toBe("Name a folder to show, or --dir PKI.");
    expect(await scratch.refusal("show", "./order", ...pki)).toBe("Name a folder to show, or --dir PKI.");
    expect(await scratch.refusal("show", "./nowhere")).toMatch(/nowhere has no tls\.crt/);
    writeFileSync(path("pki/index.json"), "{");
    expect(await scratch.refusal("show", ...pki)).toMatch(/index\.json is damaged; bring back a copy of it\./);
  });
});
