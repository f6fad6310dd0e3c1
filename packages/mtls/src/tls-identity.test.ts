import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { createCa } from "@zero-trust/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { identityFromDirectory, identityFromMemory, TlsIdentityError, type TlsMaterial } from "./tls-identity.ts";

const ca = await createCa();
const stranger = await createCa({ name: "Strange" });
/** The same names and other keys. */
const double = await createCa();
const spiffeId = "spiffe://production.internal/order-service";
const good = await ca.issue({ spiffeId });
const other = await ca.issue({ spiffeId });
const keyBody = good.key.split("\n")[1] ?? "";
const MINUTE_MS = 60_000;
const minutes = (count: number) => new Date(Date.now() + count * MINUTE_MS);

describe("identityFromDirectory", () => {
  let directory: string;
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  const message = () => {
    try {
      const identity = identityFromDirectory(directory);
      identity.close();
      return identity.spiffeId;
    } catch (error) {
      return error instanceof TlsIdentityError ? error.message : String(error);
    }
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "identity-"));
    write("tls.crt", good.cert);
    write("tls.key", good.key);
    write("ca.crt", good.ca);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("reads tls.crt, tls.key and ca.crt", () => {
    const identity = identityFromDirectory(directory);
    identity.close();
    const leaf = new X509Certificate(good.cert);
    expect(identity.spiffeId).toBe(spiffeId);
    expect(Buffer.from(identity.thumbprint, "base64url").toString("hex").toUpperCase()).toBe(
      leaf.fingerprint256.replaceAll(":", ""),
    );
    expect(identity.material.cert).toBe(good.cert);
    expect(identity.material.key).toBe(good.key);
  });

  test.each(["tls.crt", "tls.key", "ca.crt"])("names %s when it is missing", (name) => {
    rmSync(join(directory, name));
    expect(message()).toBe(
      `${join(directory, name)} does not exist; a TLS directory holds tls.crt, tls.key and ca.crt.`,
    );
  });

  test("names the file when the directory is missing", () => {
    expect(() => identityFromDirectory(join(directory, "nowhere"))).toThrow(/nowhere\/tls\.crt does not exist/);
  });

  test("names a file that cannot be read", () => {
    const path = join(directory, "tls.key");
    rmSync(path);
    // A directory in its place cannot be read by any user, root included.
    mkdirSync(path);
    expect(message()).toBe(`${path} cannot be read; check that this user may read the file.`);
  });

  test.each([
    ["tls.crt", "nonsense", /tls\.crt holds no certificate in PEM; issue it again\.$/],
    ["ca.crt", "", /ca\.crt holds no certificate in PEM; issue it again\.$/],
    ["tls.crt", good.key, /tls\.crt holds no certificate in PEM/],
    ["tls.crt", good.cert.slice(0, 200), /tls\.crt holds no certificate in PEM/],
    ["tls.crt", good.cert.slice(0, -30), /tls\.crt ends in the middle of a certificate; write it again\.$/],
    ["ca.crl", "", /ca\.crl holds no CRL in PEM; issue it again\.$/],
    ["tls.crt", good.cert.replace("MII", "AAA"), /tls\.crt holds a damaged certificate/],
    ["tls.key", "nonsense", /tls\.key holds no unencrypted private key in PEM/],
    ["tls.key", good.key.slice(0, 80), /tls\.key holds no unencrypted private key in PEM/],
    ["tls.key", other.key, /tls\.key does not belong to .*tls\.crt; issue the two together\.$/],
    ["ca.crt", good.cert, /ca\.crt holds a certificate that is not a CA's/],
  ])("says what is wrong with %s (%#)", (name, text, expected) => {
    write(name, text);
    expect(message()).toMatch(expected);
    expect(message()).not.toContain(keyBody);
  });
});

describe("identityFromMemory", () => {
  test.each([
    ["expired", { notBefore: minutes(-60), notAfter: minutes(-1) }, /^The certificate expired at /],
    [
      "not valid yet",
      { notBefore: minutes(10), notAfter: minutes(60) },
      /^The certificate is not valid before .*; check this machine's clock\.$/,
    ],
    ["not an X509-SVID", { uris: [] }, /^The certificate is not an X509-SVID; issue one that is\./],
  ])("refuses a certificate that is %s", async (_what, leaf, expected) => {
    const material = await ca.issue({ spiffeId, ...leaf });
    expect(() => identityFromMemory(material)).toThrow(expected);
  });

  const minutesFromNow = (count: number) => ({ notBefore: minutes(-60), notAfter: minutes(count) });
  test.each<[string, () => Promise<TlsMaterial>, RegExp]>([
    [
      "without its intermediate",
      () => ca.issue({ spiffeId, withoutIntermediate: true }),
      /^The chain of the certificate leads to none of the roots; put the leaf and its intermediates there, and their root into the CA\.$/,
    ],
    [
      "of another CA",
      async () => ({ ...(await stranger.issue({ spiffeId })), ca: ca.ca }),
      /leads to none of the roots/,
    ],
    [
      "of a CA that only has the names",
      async () => ({ ...(await double.issue({ spiffeId })), ca: ca.ca }),
      /to none of/,
    ],
    ["signed by itself", () => ca.issue({ spiffeId, selfSigned: true }), /leads to none of the roots/],
    ["signed by a leaf", () => ca.issue({ spiffeId, issuedByLeaf: true }), /leads to none of the roots/],
    [
      "signed by a leaf that may certify",
      () => ca.issue({ spiffeId, issuedByLeaf: "with keyCertSign" }),
      /leads to none of the roots/,
    ],
    ["with a forged signature", () => ca.issue({ spiffeId, forged: true }), /leads to none of the roots/],
    ["with four intermediates", () => ca.issue({ spiffeId, intermediates: 4 }), /has more than 3 intermediates/],
    [
      "whose chain is longer than the CA allows",
      () => ca.issue({ spiffeId, extraIntermediate: true }),
      /more .* allows/,
    ],
    [
      "with an intermediate for a root",
      async () => ({ ...(await ca.issue({ spiffeId })), ca: ca.intermediate }),
      /leads to none of the roots/,
    ],
    [
      "whose key is too short for TLS",
      () => ca.issue({ spiffeId, weakKey: true }),
      /^TLS cannot be spoken with the certificate and the private key \(ERR_SSL_EE_KEY_TOO_SMALL\); issue them again\.$/,
    ],
  ])("refuses a certificate %s", async (_what, material, expected) => {
    const bad = await material();
    expect(() => identityFromMemory(bad)).toThrow(expected);
    expect(() => identityFromMemory(bad)).toThrow(TlsIdentityError);
  });

  test("refuses a certificate when its issuers have expired", async () => {
    const inTenYears = () => Date.now() + 3660 * 24 * 60 * MINUTE_MS;
    const notBefore = minutes(-60);
    const material = await ca.issue({ spiffeId, notBefore, notAfter: new Date(inTenYears() + MINUTE_MS) });
    expect(() => identityFromMemory(material, { now: inTenYears })).toThrow(/has an issuer that expired at /);
    expect(identityFromMemory(material).expiresAtMs).toBe(new X509Certificate(ca.intermediate).validToDate.getTime());
  });

  test("takes a chain in any order, and with its root", async () => {
    const direct = await ca.issue({ spiffeId, issuedByRoot: true });
    expect(identityFromMemory({ ...direct, cert: direct.cert + ca.intermediate + ca.ca }).spiffeId).toBe(spiffeId);
    const { cert } = good;
    expect(identityFromMemory({ ...good, cert: cert.replace(ca.intermediate, ca.ca + ca.intermediate) }).spiffeId).toBe(
      spiffeId,
    );
  });

  test("ends when its leaf does", async () => {
    const material = await ca.issue({ spiffeId, ...minutesFromNow(60) });
    expect(identityFromMemory(material).expiresAtMs).toBe(new X509Certificate(material.cert).validToDate.getTime());
  });

  test("hands Node what was checked, and nothing that Node alone would take for a certificate", () => {
    const trusted = stranger.ca.replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE");
    const { material } = identityFromMemory({ ...good, ca: `${trusted}# ours\n${good.ca}` });
    expect(material.ca).toBe(good.ca);
  });

  test.each<[string, () => Promise<string>, RegExp]>([
    ["that is no list", async () => good.cert, /^The revocation list holds no CRL in PEM; issue it again\.$/],
    [
      "with another label",
      async () => (await ca.crls()).replaceAll("X509 CRL", "CRL"),
      /has the PEM label CRL; write X509/,
    ],
    ["that is unfinished", async () => (await ca.crls()).slice(0, -20), /holds an unfinished CRL in PEM/],
    [
      "of damaged bytes",
      async () => (await ca.crls()).replace("CRL-----\nM", "CRL-----\nA"),
      /holds a CRL that cannot be used, since the CRL cannot be read: .*; issue another\.$/,
    ],
    [
      "signed by a stranger",
      () => ca.crls({ forged: true }),
      /holds a CRL that none of our CAs signed; take it out, or add the certificate of the CA that did to the CA bundle\.$/,
    ],
    ["of another CA", async () => (await ca.crls()) + (await stranger.crls()), /none of our CAs signed/],
    ["of a CA that only has the name", () => double.crls(), /none of our CAs signed/],
    [
      "without the intermediate's",
      () => ca.crl({ issuer: "root" }),
      /holds no CRL of "CN=Test Intermediate"; add one, which may be empty: each root and each intermediate needs its own\.$/,
    ],
    ["without the root's", () => ca.crl({ issuer: "intermediate" }), /holds no CRL of "CN=Test Root"/],
    [
      "with two of a CA",
      async () => (await ca.crls()) + (await ca.crls({ number: 2 })),
      /holds two CRLs of "CN=Test Root"/,
    ],
    [
      "that has ended",
      () => ca.crls({ thisUpdate: minutes(-9), nextUpdate: minutes(-1) }),
      /Root" that ended at .*; issue a/,
    ],
    [
      "that has not begun",
      () => ca.crls({ thisUpdate: minutes(9) }),
      /that begins at .*; check this machine's clock\.$/,
    ],
    ["without an end", () => ca.crls({ nextUpdate: null }), /does not say when the next one is due/],
    ["of a kind that would be misread", () => ca.crls({ criticalExtension: "2.5.29.27" }), /it is a delta CRL/],
    [
      "that revokes the certificate",
      () => ca.crls({ revoked: [good.cert] }),
      /^The certificate cannot be used with the revocation list; issue a new one\. The certificate [0-9a-f]+ is revoked\.$/,
    ],
    [
      "that revokes its intermediate",
      () => ca.crls({ revoked: [ca.intermediate] }),
      /cannot be used with .* is revoked\.$/,
    ],
  ])("refuses a revocation list %s", async (_what, list, expected) => {
    const crl = await list();
    expect(() => identityFromMemory({ ...good, crl })).toThrow(expected);
    expect(() => identityFromMemory({ ...good, crl })).toThrow(TlsIdentityError);
  });

  test("hands Node a list as it was read, however it is wrapped", async () => {
    const crl = await ca.crls();
    const odd = crl.replaceAll("\n", "\r\n").replace(/-\r\n/, "-\r\n \r\n");
    expect(identityFromMemory({ ...good, crl: `# lists\n${odd}` }).material.crl).toBe(crl);
  });

  test("takes a list for each root of the bundle, and refuses a root without one", async () => {
    const two = { ...good, ca: good.ca + stranger.ca };
    const crl = await ca.crls();
    expect(() => identityFromMemory({ ...two, crl })).toThrow(/holds no CRL of "CN=Strange Root"/);
    const both = crl + (await stranger.crl({ issuer: "root" }));
    expect(identityFromMemory({ ...two, crl: both }).material.crl).toBe(both);
  });

  test("takes a list for each of two roots of one name", async () => {
    const two = { ...good, ca: good.ca + double.ca };
    const crl = await ca.crls();
    expect(() => identityFromMemory({ ...two, crl })).toThrow(/holds no CRL of "CN=Test Root"/);
    const both = crl + (await double.crl({ issuer: "root" }));
    expect(identityFromMemory({ ...two, crl: both }).material.crl).toBe(both);
  });

  test("refuses a list of a CA that may sign none", async () => {
    const strict = await createCa({ name: "Strict", withoutCrlSign: true });
    const material = { ...(await strict.issue({ spiffeId })), crl: await strict.crls() };
    expect(() => identityFromMemory(material)).toThrow(
      /of "CN=Strict Intermediate", which may not sign CRLs \(key usage cRLSign\)/,
    );
  });

  test("takes the list of an intermediate that is in the bundle", async () => {
    const crl = await ca.crls({ issuers: ["root", "intermediate", "secondIntermediate"] });
    expect(() => identityFromMemory({ ...good, crl })).toThrow(/none of our CAs signed/);
    expect(identityFromMemory({ ...good, ca: good.ca + ca.secondIntermediate, crl }).material.crl).toBe(crl);
  });

  test("does not show its private key when it is printed, serialized or spread", () => {
    const identity = identityFromMemory(good);
    const shown = [
      inspect(identity, { showHidden: true, getters: true, depth: 10 }),
      JSON.stringify(identity),
      JSON.stringify({ ...identity }),
      inspect(identity.material),
      JSON.stringify(identity.material),
      JSON.stringify(structuredClone(identity.material)),
    ];
    expect(keyBody).toHaveLength(64);
    for (const text of shown) {
      expect(text).not.toContain(keyBody);
      expect(text).not.toContain("PRIVATE");
    }
  });

  test("does not put the private key into an error", () => {
    const damaged = { ...good, key: good.key.replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\nA") };
    let thrown: unknown;
    try {
      identityFromMemory(damaged);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TlsIdentityError);
    expect(inspect(thrown, { showHidden: true, depth: 10 })).not.toContain(keyBody);
  });
});

describe("replace", () => {
  test("takes other certificates, and tells of it once", () => {
    const identity = identityFromMemory(good);
    const { material, trust, thumbprint } = identity;
    let told = 0;
    const unfollow = identity.onChange(() => {
      told += 1;
    });
    identity.replace({ ...good });
    expect(told).toBe(0);
    expect(identity.material).toBe(material);
    expect(identity.trust).toBe(trust);
    identity.replace({ ...other, ca: good.ca + stranger.ca });
    expect(told).toBe(1);
    expect(identity.thumbprint).not.toBe(thumbprint);
    expect(identity.material).toMatchObject({ cert: other.cert, ca: good.ca + stranger.ca });
    expect(identity.trust.tightens(trust)).toBe(false);
    expect(trust.tightens(identity.trust)).toBe(true);
    unfollow();
    identity.replace(good);
    expect(told).toBe(1);
  });

  test.each<[string, () => Promise<Partial<TlsMaterial>>, RegExp]>([
    ["another's key", async () => ({ key: other.key }), /does not belong to the certificate/],
    ["no list where there was one", async () => ({ crl: undefined }), /^The revocation list is gone, /],
    [
      "an older list",
      () => ca.crls({ number: 1 }).then((crl) => ({ crl })),
      /"CN=Test Root" that is older than the one/,
    ],
    [
      "one older list among newer ones",
      async () => ({ crl: (await ca.crl({ issuer: "root", number: 9 })) + (await ca.crl({ issuer: "intermediate" })) }),
      /"CN=Test Intermediate" that is older than the one/,
    ],
    [
      "another workload",
      () => ca.issue({ spiffeId: "spiffe://production.internal/payment-service" }),
      /^The certificate is that of spiffe:\/\/production\.internal\/payment-service, and this process is spiffe:/,
    ],
  ])("refuses %s, and keeps what was in use", async (_what, change, expected) => {
    const identity = identityFromMemory({ ...good, crl: await ca.crls({ number: 2 }) });
    const { material, trust } = identity;
    const next = { ...material, key: material.key, ...(await change()) };
    expect(() => identity.replace(next)).toThrow(expected);
    expect(identity.material).toBe(material);
    expect(identity.trust).toBe(trust);
  });

  test("goes on needing the list of an issuer that had one", async () => {
    const bundle = good.ca + ca.secondIntermediate;
    const crl = await ca.crls({ issuers: ["root", "intermediate", "secondIntermediate"] });
    const identity = identityFromMemory({ ...good, ca: bundle, crl });
    const { cert } = await ca.issue({ spiffeId, bySecondIntermediate: true });
    const peer = [new X509Certificate(cert)];
    expect(identity.trust.complaint(peer, Date.now())).toBeUndefined();
    identity.replace({ ...good, ca: bundle, crl: await ca.crls({ number: 2 }) });
    expect(identity.trust.complaint(peer, Date.now())).toMatch(/has no current CRL/);
  });
});
