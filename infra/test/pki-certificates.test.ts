import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listsIn, type ScratchPki, scratchPki, scratchWithPki } from "./scratch-pki.ts";

let scratch: ScratchPki;
const HOUR_MS = 3_600_000;
const modeOf = (path: string) => statSync(join(scratch.folder, path)).mode & 0o777;
const blocks = (pem: string) => pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n/g) ?? [];
const issue = (name: string, ...more: string[]) =>
  scratch.type("issue", name, "--dir", "./pki", "--out", `./${name}`, ...more);

beforeEach(async () => {
  scratch = await scratchWithPki();
});
afterEach(() => scratch[Symbol.dispose]());

describe("a new PKI", () => {
  it("has keys that only its owner may read, the roots' in a folder of their own", () => {
    expect(modeOf("pki")).toBe(0o700);
    expect(modeOf("pki/root-keys")).toBe(0o700);
    expect(modeOf("pki/root-keys/1.key")).toBe(0o600);
    expect(modeOf("pki/intermediate-keys/1.key")).toBe(0o600);
    expect(scratch.read("pki/index.json")).not.toContain("PRIVATE");
    expect(scratch.read("pki/.gitignore")).toBe("*\n");
  });

  it("is not made where something is", async () => {
    const before = scratch.read("pki/index.json");
    expect(await scratch.refusal("init", "--dir", "./pki")).toMatch(/pki is not empty; choose a new folder/);
    expect(scratch.read("pki/index.json")).toBe(before);
    mkdirSync(join(scratch.folder, "usb"));
    writeFileSync(join(scratch.folder, "usb/1.key"), "another PKI's");
    expect(await scratch.refusal("init", "--dir", "./other", "--root-keys", "./usb")).toMatch(/usb is not empty/);
    expect(scratch.read("usb/1.key")).toBe("another PKI's");
  });

  it("is not made for what is no trust domain", async () => {
    for (const name of ["Production.internal", "a_b", "spiffe://a", "a..b", "", "a".repeat(49)]) {
      expect(await scratch.refusal("init", "--dir", "./other", "--trust-domain", name)).toMatch(
        /cannot be a trust domain|is empty/,
      );
    }
  });

  it("can have its root keys elsewhere", async () => {
    await scratch.type("init", "--dir", "./other", "--root-keys", "./usb", "--trust-domain", "staging.internal");
    expect(readdirSync(join(scratch.folder, "other"))).not.toContain("root-keys");
    expect(modeOf("usb/1.key")).toBe(0o600);
  });
});

describe("an issued certificate", () => {
  it("is an X509-SVID of root, intermediate and leaf", async () => {
    await issue("order-service", "--dns", "orders.example.com", "--dns", "localhost");
    const [leafPem = "", intermediatePem = "", ...none] = blocks(scratch.read("order-service/tls.crt"));
    const [rootPem = "", ...noMore] = blocks(scratch.read("order-service/ca.crt"));
    expect([...none, ...noMore]).toEqual([]);
    const [leaf, intermediate, root] = [leafPem, intermediatePem, rootPem].map((pem) => new X509Certificate(pem));
    if (leaf === undefined || intermediate === undefined || root === undefined) throw new Error("three certificates");

    expect(leaf.subjectAltName).toBe(
      "URI:spiffe://production.internal/order-service, DNS:order-service.production.internal, DNS:orders.example.com, DNS:localhost",
    );
    expect(leaf.ca).toBe(false);
    expect(leaf.keyUsage?.toSorted()).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(leaf.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    expect(leaf.validToDate.getTime() - Math.floor(scratch.nowMs / 1000) * 1000).toBe(24 * HOUR_MS);
    expect(leaf.serialNumber).toMatch(/^[0-9A-F]{32}$/);
    expect(leaf.checkPrivateKey(createPrivateKey(scratch.read("order-service/tls.key")))).toBe(true);
    // Key usage is not among what Node shows: critical, digitalSignature alone; critical, no CA (RFC 5280 §4.2.1.3, §4.2.1.9).
    expect(leaf.raw.includes(Buffer.from("0603551d0f0101ff040403020780", "hex"))).toBe(true);
    expect(leaf.raw.includes(Buffer.from("0603551d130101ff04023000", "hex"))).toBe(true);

    expect([intermediate.ca, root.ca]).toEqual([true, true]);
    for (const [ca, pathLength] of [
      [root, "01"],
      [intermediate, "00"],
    ] as const) {
      // Critical: keyCertSign and cRLSign; CA with its path length.
      expect(ca.raw.includes(Buffer.from("0603551d0f0101ff040403020106", "hex"))).toBe(true);
      expect(ca.raw.includes(Buffer.from(`0603551d130101ff040830060101ff0201${pathLength}`, "hex"))).toBe(true);
    }
    expect(leaf.checkIssued(intermediate) && leaf.verify(intermediate.publicKey)).toBe(true);
    expect(intermediate.checkIssued(root) && intermediate.verify(root.publicKey)).toBe(true);
    expect(root.checkIssued(root) && root.verify(root.publicKey)).toBe(true);
    expect(listsIn(scratch.read("order-service/ca.crl"))).toHaveLength(2);
  });

  it("has a key that only its owner may read", async () => {
    await issue("order-service");
    expect(modeOf("order-service/tls.key")).toBe(0o600);
    expect(modeOf("order-service/tls.crt")).toBe(0o644);
  });

  it("lives as long as it is asked to, within the intermediate's life", async () => {
    await issue("short", "--hours", "1");
    await issue("long", "--days", "7");
    expect(scratch.leaf("short").validToDate.getTime()).toBe(Math.floor(scratch.nowMs / 1000) * 1000 + HOUR_MS);
    expect(scratch.leaf("long").validToDate.getTime()).toBe(Math.floor(scratch.nowMs / 1000) * 1000 + 168 * HOUR_MS);
    const refused = ["issue", "a", "--dir", "./pki", "--out", "./a/b"];
    expect(await scratch.refusal(...refused, "--days", "731")).toMatch(/ends on .* before the certificate would/);
    for (const text of ["0", "-1", "1.5", "1e3", "ten"]) {
      expect(await scratch.refusal(...refused, `--hours=${text}`)).toMatch(/must be a whole number/);
    }
    expect(existsSync(join(scratch.folder, "a"))).toBe(false);
  });

  it.each(["Order", "order_service", "a/b", "-a", "a.", "", "a".repeat(64), "../x"])(
    "is not issued to a workload called %j",
    async (name) => {
      expect(await scratch.refusal("issue", "--dir", "./pki", "--out", "./a", "--", name)).toMatch(
        /cannot be a workload's name|An argument is missing/,
      );
      expect(JSON.parse(scratch.read("pki/index.json"))).toMatchObject({ certificates: [] });
    },
  );

  it.each(["*.example.com", "127.0.0.1", "Example.com", "a b", "a..b"])(
    "does not have the DNS name %j",
    async (name) => {
      expect(await scratch.refusal("issue", "a", "--dir", "./pki", "--out", "./a", "--dns", name)).toMatch(
        /cannot be a DNS name here/,
      );
    },
  );

  it("does not have another workload's DNS name", async () => {
    for (const name of ["payment-service.production.internal", "production.internal"]) {
      expect(await scratch.refusal("issue", "a", "--dir", "./pki", "--out", "./a", "--dns", name)).toMatch(
        /is the name of another workload/,
      );
    }
  });

  it("does not replace another", async () => {
    await issue("order-service");
    const before = scratch.read("order-service/tls.key");
    expect(await scratch.refusal("issue", "b", "--dir", "./pki", "--out", "./order-service")).toMatch(
      /order-service has a \S+ already; renew what is there, or choose another folder\./,
    );
    expect(scratch.read("order-service/tls.key")).toBe(before);
  });

  it("is not signed with a key that others can read, or that is none", async () => {
    const key = join(scratch.folder, "pki/intermediate-keys/1.key");
    const line = (edge: string) => `-----${edge} PRIVATE KEY-----`;
    writeFileSync(key, `${line("BEGIN")}\nMIGHAgEAMBMGByqGSM49\n${line("END")}\n`, { mode: 0o600 });
    const refusal = await scratch.refusal("issue", "a", "--dir", "./pki", "--out", "./a");
    expect(refusal).toMatch(/1\.key is not a private key as `zt pki` writes it/);
    expect(refusal).not.toContain("MIGH");
    chmodSync(key, 0o640);
    expect(await scratch.refusal("issue", "a", "--dir", "./pki", "--out", "./a")).toMatch(/open to others: chmod 600/);
  });
});

describe("renewing", () => {
  beforeEach(async () => {
    await issue("order-service", "--hours", "10", "--dns", "localhost");
  });

  it("does nothing before half of the life, and gives a new key and the same names after it", async () => {
    const before = { leaf: scratch.leaf("order-service"), key: scratch.read("order-service/tls.key") };
    scratch.nowMs += 4.9 * HOUR_MS;
    expect(await scratch.type("renew", "./order-service", "--dir", "./pki")).toMatch(/is not due before 20/);
    expect(scratch.leaf("order-service").serialNumber).toBe(before.leaf.serialNumber);
    scratch.nowMs += 0.2 * HOUR_MS;
    expect(await scratch.type("renew", "--all", "--dir", "./pki")).toMatch(/order-service has a new certificate until/);
    const after = scratch.leaf("order-service");
    expect(after.subjectAltName).toBe(before.leaf.subjectAltName);
    expect(after.serialNumber).not.toBe(before.leaf.serialNumber);
    expect(after.publicKey.equals(before.leaf.publicKey)).toBe(false);
    expect(after.validToDate.getTime()).toBe(Math.floor(scratch.nowMs / 1000) * 1000 + 10 * HOUR_MS);
    expect(after.checkPrivateKey(createPrivateKey(scratch.read("order-service/tls.key")))).toBe(true);
    expect(modeOf("order-service/tls.key")).toBe(0o600);
  });

  it("does it at once with --force", async () => {
    const before = scratch.leaf("order-service").serialNumber;
    await scratch.type("renew", "./order-service", "--dir", "./pki", "--force");
    expect(scratch.leaf("order-service").serialNumber).not.toBe(before);
  });

  it("does not give a revoked workload a new certificate by itself", async () => {
    await scratch.type("revoke", "./order-service", "--dir", "./pki");
    scratch.nowMs += 6 * HOUR_MS;
    expect(await scratch.refusal("renew", "--all", "--dir", "./pki")).toMatch(/was revoked; renew it with --force/);
    expect(await scratch.type("renew", "./order-service", "--dir", "./pki", "--force")).toMatch(
      /has a new certificate/,
    );
  });

  it("refuses a folder of another PKI, and renews the others of the same command", async () => {
    await scratch.type("init", "--dir", "./theirs");
    await scratch.type("issue", "theirs", "--dir", "./theirs", "--out", "./their-folder");
    const before = [scratch.read("their-folder/tls.crt"), scratch.leaf("order-service").serialNumber];
    const folders = ["./their-folder", "./nowhere", "./order-service"];
    const refusal = await scratch.refusal("renew", ...folders, "--dir", "./pki", "--force");
    expect(refusal).toMatch(/their-folder was not issued by the PKI in/);
    expect(refusal).toMatch(/nowhere has no tls\.crt/);
    expect(scratch.read("their-folder/tls.crt")).toBe(before[0]);
    expect(scratch.leaf("order-service").serialNumber).not.toBe(before[1]);
  });
});

it("two commands at once lose nothing", async () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  await Promise.all(names.map((name) => issue(name)));
  const index = JSON.parse(scratch.read("pki/index.json")) as { certificates: { workload: string }[] };
  expect(index.certificates.map(({ workload }) => workload).toSorted()).toEqual(names);
  expect(existsSync(join(scratch.folder, "pki/lock"))).toBe(false);
});

it("every command says how it is used, and refuses what it does not know", async () => {
  const other = scratchPki();
  for (const name of ["init", "issue", "renew", "revoke", "crl", "rotate-ca", "show"]) {
    expect(await other.type(name, "--help")).toMatch(new RegExp(`^pnpm zt pki ${name} [\\s\\S]*--dir PKI`));
    expect(await other.refusal(name, "--nonsense")).toBe("Unknown option '--nonsense'; see --help.");
  }
  expect(await other.refusal("issue", "a", "--out", "./a")).toMatch(/^--dir is missing: pnpm zt pki issue WORKLOAD/);
  expect(await other.refusal("issue", "a", "--dir", "./no", "--out", "./a")).toMatch(
    /^There is no PKI in \S+\/no; make one/,
  );
  expect(await other.refusal("nonsense")).toMatch(/^There is no command "pki nonsense"\./);
  expect(readdirSync(other.folder)).toEqual([]);
  other[Symbol.dispose]();
});
