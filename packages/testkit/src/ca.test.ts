// Before what builds on it is loaded.
import "reflect-metadata";
import { X509Certificate } from "node:crypto";
import { X509Certificate as Certificate, X509CertificateGenerator, X509Crl, type X509CrlEntry } from "@peculiar/x509";
import { describe, expect, test } from "vitest";
import { createCa, extendedKeyUsage, type LeafOptions } from "./ca.ts";
import { newKeys, privateKeyPem, SIGNATURE } from "./signer.ts";

type Keys = Awaited<ReturnType<typeof newKeys>>;

const ca = await createCa();
const spiffeId = "spiffe://production.internal/order-service";

/** The certificates of a PEM text, in their order. */
const chainOf = (pem: string) =>
  (pem.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map((block) => new X509Certificate(block));

const serial = ({ serialNumber }: X509CrlEntry) => serialNumber.toUpperCase();

describe("createCa", () => {
  test("issues a leaf of an intermediate of the root", async () => {
    const issued = await ca.issue({ spiffeId });
    const [leaf, intermediate, ...more] = chainOf(issued.cert);
    const [root] = chainOf(issued.ca);
    if (leaf === undefined || intermediate === undefined || root === undefined) {
      throw new Error("the chain is short");
    }
    expect(more).toEqual([]);
    expect(leaf.verify(intermediate.publicKey)).toBe(true);
    expect(intermediate.verify(root.publicKey)).toBe(true);
    expect(leaf.subjectAltName).toBe(`URI:${spiffeId}, DNS:order-service.production.internal`);
    expect(leaf.keyUsage).toEqual([extendedKeyUsage.serverAuth, extendedKeyUsage.clientAuth]);
    expect(leaf.ca).toBe(false);
    expect(leaf.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: "prime256v1" });
    expect(leaf.validToDate.getTime() - Date.now()).toBeGreaterThan(23 * 3_600_000);
  });

  test.each<[string, LeafOptions, number]>([
    ["no intermediate", { withoutIntermediate: true }, 1],
    ["the root as issuer", { issuedByRoot: true }, 1],
    ["itself as issuer", { selfSigned: true }, 1],
    ["a leaf as issuer", { issuedByLeaf: true }, 3],
    ["an intermediate too many", { extraIntermediate: true }, 3],
    ["as many intermediates as are asked for", { intermediates: 4 }, 5],
  ])("can issue a chain with %s", async (_what, options, length) => {
    expect(chainOf((await ca.issue({ spiffeId, ...options })).cert)).toHaveLength(length);
  });

  test("can forge a signature", async () => {
    const [leaf, intermediate] = chainOf((await ca.issue({ spiffeId, forged: true })).cert);
    expect(intermediate && leaf?.checkIssued(intermediate)).toBe(true);
    expect(intermediate && leaf?.verify(intermediate.publicKey)).toBe(false);
  });

  test("can leave every extension out", async () => {
    const bare = { uris: [], dns: [], eku: null, keyUsage: null, basicConstraintsCa: null };
    const [leaf] = chainOf((await ca.issue(bare)).cert);
    expect(leaf?.subjectAltName).toBeUndefined();
    expect(leaf?.keyUsage).toBeUndefined();
  });

  test("makes two CAs that do not know each other", async () => {
    const [leaf] = chainOf((await (await createCa()).issue({ spiffeId })).cert);
    const [, intermediate] = chainOf((await ca.issue({ spiffeId })).cert);
    expect(intermediate && leaf?.verify(intermediate.publicKey)).toBe(false);
  });

  test("issues a leaf of either intermediate", async () => {
    const [leaf] = chainOf((await ca.issue({ spiffeId, bySecondIntermediate: true })).cert);
    const [first, second, root] = [ca.intermediate, ca.secondIntermediate, ca.ca].map(
      (pem) => new X509Certificate(pem),
    );
    if (leaf === undefined || first === undefined || second === undefined || root === undefined) {
      throw new Error("the chain is short");
    }
    expect(leaf.verify(second.publicKey)).toBe(true);
    expect(leaf.verify(first.publicKey)).toBe(false);
    expect(second.verify(root.publicKey)).toBe(true);
  });

  test("lists what is revoked, by the CA that issued it", async () => {
    const { cert } = await ca.issue({ spiffeId });
    const pem = await ca.crls({ revoked: [cert, ca.intermediate], number: 256 });
    const blocks = pem.match(/-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g) ?? [];
    const [ofRoot, ofIntermediate] = blocks.map((block) => new X509Crl(block.replaceAll("X509 CRL", "CRL")));
    expect(ofRoot?.issuer).toBe("CN=Test Root");
    expect(ofIntermediate?.issuer).toBe("CN=Test Intermediate");
    expect(ofRoot?.entries.map(serial)).toEqual([new X509Certificate(ca.intermediate).serialNumber]);
    expect(ofIntermediate?.entries.map(serial)).toEqual([new X509Certificate(cert).serialNumber]);
    expect(await ofRoot?.verify({ publicKey: new Certificate(ca.ca) })).toBe(true);
    expect(await ofIntermediate?.verify({ publicKey: new Certificate(ca.intermediate) })).toBe(true);
    expect(blocks).toHaveLength(2);
  });

  test("can forge a list", async () => {
    const pem = await ca.crl({ issuer: "root", forged: true, revoked: ["0102"] });
    const list = new X509Crl(pem.replaceAll("X509 CRL", "CRL"));
    expect(list.entries.map(serial)).toEqual(["0102"]);
    expect(await list.verify({ publicKey: new Certificate(ca.ca) })).toBe(false);
  });

  test("signs in the place of another CA whose keys it is given", async () => {
    const [root, intermediate] = [await newKeys(), await newKeys()];
    const authority = {
      root: await authorityOf("Their Root", root, root),
      intermediate: await authorityOf("Their Intermediate", intermediate, root, "Their Root"),
    };
    const theirs = await createCa({ authority });
    const { cert, ca: trusted } = await theirs.issue({ spiffeId });
    const [leaf] = chainOf(cert);
    expect(trusted.trim()).toBe(authority.root.certificate.trim());
    expect(leaf?.verify(new X509Certificate(authority.intermediate.certificate).publicKey)).toBe(true);
    expect(leaf?.issuer).toBe("CN=Their Intermediate");
  });
});

/** A CA's certificate and key, PEM, as its files have them. */
async function authorityOf(name: string, keys: Keys, signer: Keys, issuer = name) {
  const certificate = await X509CertificateGenerator.create({
    serialNumber: "01",
    subject: `CN=${name}`,
    issuer: `CN=${issuer}`,
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: SIGNATURE,
  });
  return { certificate: certificate.toString("pem"), key: await privateKeyPem(keys.privateKey) };
}
