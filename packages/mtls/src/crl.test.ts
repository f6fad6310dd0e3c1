import { generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { createCa } from "@zero-trust/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CrlParts,
  der,
  entry,
  extension,
  generalizedTime,
  hex,
  issuer,
  sequence,
  utcTime,
  writeCrl,
} from "../test/der-writer.ts";
import { certificateFields } from "./certificate-fields.ts";
import { CrlError, parseCrl } from "./crl.ts";

const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ed = generateKeyPairSync("ed25519");
const ecdsa = (last: string) => sequence(der(6, hex(`2a8648ce3d0403${last}`)));
const pkcs1 = (last: string) => sequence(der(6, hex(`2a864886f70d0101${last}`)), hex("0500"));
const good: CrlParts = { algorithm: ecdsa("02"), key: ec.privateKey, hash: "sha256" };
const write = (parts: Partial<CrlParts>) => writeCrl({ ...good, ...parts });
const number = (content: string) => extension("551d14", der(2, hex(content)));

function refusal(bytes: Uint8Array): unknown {
  try {
    parseCrl(bytes);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Throws what is no refusal. */
function passes(bytes: Uint8Array): boolean {
  try {
    return parseCrl(bytes).isSignedWith(ec.publicKey);
  } catch (error) {
    if (error instanceof CrlError) {
      return false;
    }
    throw error;
  }
}

describe("parseCrl", () => {
  test("reads a list as a CA writes it", async () => {
    const ca = await createCa();
    const revoked = await ca.issue({ spiffeId: "spiffe://production.internal/revoked" });
    const other = await ca.issue({ spiffeId: "spiffe://production.internal/other" });
    const nextUpdate = new Date("2049-12-31T23:59:59Z");
    const thisUpdate = new Date("2026-02-28T01:02:03Z");
    const options = { revoked: [revoked.cert], thisUpdate, nextUpdate, number: 300 };
    const pem = await ca.crl({ issuer: "intermediate", ...options });
    const crl = parseCrl(Buffer.from(pem.replaceAll(/-----.*-----/g, ""), "base64"));
    const intermediate = new X509Certificate(ca.intermediate);
    const fields = (text: string) => certificateFields(new X509Certificate(text).raw);
    expect(crl.issuer).toBe(fields(ca.intermediate).subject);
    expect(crl.issuer).toBe(fields(revoked.cert).issuer);
    expect(crl.thisUpdateMs).toBe(thisUpdate.getTime());
    expect(crl.nextUpdateMs).toBe(nextUpdate.getTime());
    expect(crl.number).toBe(300n);
    expect([...crl.revoked]).toEqual([fields(revoked.cert).serialNumber]);
    expect(crl.revoked.has(fields(other.cert).serialNumber)).toBe(false);
    expect(crl.isSignedWith(intermediate.publicKey)).toBe(true);
    expect(crl.isSignedWith(new X509Certificate(ca.ca).publicKey)).toBe(false);
  });

  test.each<[string, Uint8Array, { publicKey: KeyObject; privateKey: KeyObject }, string | undefined]>([
    ["ecdsa-with-SHA256", ecdsa("02"), ec, "sha256"],
    ["ecdsa-with-SHA384", ecdsa("03"), ec, "sha384"],
    ["ecdsa-with-SHA512", ecdsa("04"), ec, "sha512"],
    ["sha256WithRSAEncryption", pkcs1("0b"), rsa, "sha256"],
    ["sha384WithRSAEncryption", pkcs1("0c"), rsa, "sha384"],
    ["sha512WithRSAEncryption", pkcs1("0d"), rsa, "sha512"],
    ["Ed25519", sequence(der(6, hex("2b6570"))), ed, undefined],
  ])("verifies %s with the signer's key, and with no other", (_name, algorithm, keys, hash) => {
    const crl = parseCrl(write({ algorithm, key: keys.privateKey, hash }));
    expect(crl.issuer).toBe(issuer.subarray(2).toString("hex"));
    for (const each of [ec, rsa, ed]) {
      expect(crl.isSignedWith(each.publicKey)).toBe(each === keys);
    }
    expect(crl.isSignedWith(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey)).toBe(false);
  });

  test("takes a signature of another algorithm than the list says for none", () => {
    // Without a hash to go by, OpenSSL would take the usual one of the key.
    const confused = parseCrl(write({ algorithm: sequence(der(6, hex("2b6570"))) }));
    expect(confused.isSignedWith(ec.publicKey)).toBe(false);
  });

  test("reads version 1, which has no number", () => {
    const crl = parseCrl(write({ version: [], entries: [entry("05"), entry("0600")] }));
    expect([...crl.revoked]).toEqual(["05", "0600"]);
    expect(crl.number).toBeUndefined();
  });

  test.each([
    [utcTime("491231235959Z"), "2049-12-31T23:59:59.000Z"],
    [utcTime("500101000000Z"), "1950-01-01T00:00:00.000Z"],
    [generalizedTime("20500101000000Z"), "2050-01-01T00:00:00.000Z"],
    [utcTime("280229000000Z"), "2028-02-29T00:00:00.000Z"],
  ])("reads times of both kinds (%#)", (thisUpdate, iso) => {
    expect(new Date(parseCrl(write({ thisUpdate })).thisUpdateMs).toISOString()).toBe(iso);
  });

  test("takes extensions that change nothing", () => {
    const reason = extension("551d15", hex("0a0101"));
    const authority = extension("551d23", hex("3000"));
    const crl = parseCrl(write({ entries: [entry("05", reason)], extensions: [authority, number("00ff")] }));
    expect(crl.number).toBe(255n);
    expect([...crl.revoked]).toEqual(["05"]);
  });

  test.each<[string, Partial<CrlParts>, string]>([
    ["a delta CRL", { extensions: [extension("551d1b", hex("020101"), true)] }, "delta CRL"],
    ["a delta CRL that says it matters little", { extensions: [extension("551d1b", hex("020101"))] }, "delta CRL"],
    [
      "an indirect or partial CRL",
      { extensions: [extension("551d1c", hex("30038401ff"), true)] },
      "indirect or partial",
    ],
    ["one that says it matters little", { extensions: [extension("551d1c", hex("3000"))] }, "indirect or partial"],
    ["an entry of another issuer", { entries: [entry("05", extension("551d1d", hex("3000"), true))] }, "indirect CRL"],
    ["a critical extension that is not known", { extensions: [extension("2a03", hex("0500"), true)] }, "critical"],
    ["one of an entry", { entries: [entry("05", extension("2a03", hex("0500"), true))] }, "critical"],
    ["an extension twice", { extensions: [number("01"), number("02")] }, "twice"],
    ["no nextUpdate", { nextUpdate: [] }, "nextUpdate"],
    ["version 3", { version: [hex("020102")] }, "version"],
    ["version 1 with extensions", { version: [], extensions: [number("01")] }, "more than"],
    ["version 1 with extensions of an entry", { version: [], entries: [entry("05", number("01"))] }, "more than"],
    ["a negative CRL number", { extensions: [number("80")] }, "negative"],
    ["a CRL number of 21 bytes", { extensions: [number("01".repeat(21))] }, "negative or longer"],
    ["a serial number in a longer form", { entries: [entry("0005")] }, "shortest"],
    ["an empty serial number", { entries: [entry("")] }, "empty"],
    ["a day that is none", { thisUpdate: utcTime("260230000000Z") }, "time"],
    ["a time without seconds", { thisUpdate: utcTime("2601010000Z") }, "time"],
    ["a time of another zone", { thisUpdate: utcTime("260101000000+0100") }, "time"],
    ["a fraction of a second", { thisUpdate: generalizedTime("20260101000000.5Z") }, "time"],
    ["two algorithms", { innerAlgorithm: ecdsa("03") }, "two signature algorithms"],
    ["SHA-1", { algorithm: sequence(der(6, hex("2a8648ce3d0401"))) }, "not supported"],
    ["RSA-PSS", { algorithm: pkcs1("0a") }, "not supported"],
    [
      "an algorithm with other parameters",
      { algorithm: sequence(der(6, hex("2a8648ce3d040302")), hex("0500")) },
      "not",
    ],
    ["a signature of part of a byte", { unusedBits: 1 }, "whole bytes"],
    ["something after the signature", { more: [hex("0500")] }, "expected a list"],
  ])("refuses %s", (_what, parts, message) => {
    expect(refusal(write(parts))).toBeInstanceOf(CrlError);
    expect(() => parseCrl(write(parts))).toThrow(message);
  });

  test("lets no list pass with one byte changed or cut, and throws CrlError, nothing else", () => {
    const raw = write({ entries: [entry("05", extension("551d15", hex("0a0101")))], extensions: [number("01")] });
    expect(passes(raw)).toBe(true);
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.from(raw);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        expect(passes(bytes)).toBe(false);
        expect(refusal(raw.subarray(0, at))).toBeInstanceOf(CrlError);
      }),
      { numRuns: 1000 },
    );
  });

  test("throws CrlError, nothing else, for bytes that are no list", () => {
    const nested = fc.letrec<{ value: Buffer }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc
          .tuple(fc.constantFrom(1, 2, 3, 4, 5, 6, 0x17, 0x18), fc.uint8Array({ maxLength: 20 }))
          .map(([tag, content]) => der(tag, content)),
        fc
          .tuple(fc.constantFrom(0x30, 0x31, 0xa0), fc.array(tie("value"), { maxLength: 6 }))
          .map(([tag, parts]) => der(tag, ...parts)),
      ),
    })).value;
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), nested), (bytes) => {
        expect(refusal(bytes)).toBeInstanceOf(CrlError);
      }),
      { numRuns: 1000 },
    );
  });
});
