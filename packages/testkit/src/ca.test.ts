import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createCa, extendedKeyUsage, type LeafOptions } from "./ca.ts";

const ca = await createCa();
const spiffeId = "spiffe://production.internal/order-service";

/** The certificates of a PEM text, in their order. */
const chainOf = (pem: string) =>
  (pem.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map((block) => new X509Certificate(block));

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
  ])("can issue a chain with %s", async (_what, options, length) => {
    expect(chainOf((await ca.issue({ spiffeId, ...options })).cert)).toHaveLength(length);
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
});
