import { X509Certificate } from "node:crypto";
import { createCa, type LeafOptions } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { pemBlocks } from "./pem.ts";
import { revocationLists } from "./revocation-lists.ts";
import { BundleTrust } from "./trust.ts";

const ca = await createCa();
const stranger = await createCa({ name: "Strange" });
/** The same names and other keys, as a CA that was made again. */
const successor = await createCa();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const now = Date.now();

const certificates = (...texts: readonly string[]) =>
  pemBlocks(texts.join(""), "CERTIFICATE").blocks.map((block) => new X509Certificate(block));
const issue = async (options: LeafOptions = {}, by = ca) =>
  certificates((await by.issue({ spiffeId: "spiffe://production.internal/order-service", ...options })).cert);
const pemOf = (...chain: readonly X509Certificate[]) => chain.map((each) => each.toString()).join("");

/** The CA's roots and lists, of which every signer is known. */
const trust = (lists = "", earlier?: BundleTrust, authorities = certificates(ca.ca)) => {
  const signers = certificates(ca.ca, ca.intermediate, ca.secondIntermediate, stranger.ca, stranger.intermediate);
  return new BundleTrust({ authorities, lists: lists === "" ? [] : revocationLists(lists, signers, now), earlier });
};
/** Of all three CAs. */
const crls = (options: Parameters<typeof ca.crls>[0] = {}) =>
  ca.crls({ issuers: ["root", "intermediate", "secondIntermediate"], ...options });
const crl = (issuer: "root" | "intermediate" | "secondIntermediate", ...revoked: readonly X509Certificate[]) =>
  ca.crl({ issuer, revoked: revoked.map((each) => each.toString()) });

const chain = await issue();
const [leaf, intermediate] = chain as [X509Certificate, X509Certificate];
const selfSigned = await issue({ selfSigned: true });
const byRoot = await issue({ issuedByRoot: true });
const root = new X509Certificate(ca.ca);
const gone = /leads to a CA that is not, or no longer, trusted\.$/;
const noList = /has no current CRL\.$/;
const revoked = /^The certificate [0-9a-f]+ is revoked\.$/;

describe("complaint", () => {
  test.each([
    ["whole", [leaf, intermediate, root]],
    ["without its root", [leaf, intermediate]],
    ["of which only the leaf is known", [leaf]],
    ["with something needless behind it", [leaf, intermediate, new X509Certificate(stranger.ca)]],
  ])("is none of a good chain, %s, with and without lists", async (_what, good) => {
    expect(trust().complaint(good, now)).toBeUndefined();
    expect(trust(await crls()).complaint(good, now)).toBeUndefined();
  });

  test("is of a revoked leaf, and of no other", async () => {
    const revoking = trust(await crls({ revoked: [pemOf(leaf)] }));
    expect(revoking.complaint([leaf], now)).toMatch(revoked);
    expect(revoking.complaint(chain, now)).toMatch(revoked);
    expect(revoking.complaint(await issue(), now)).toBeUndefined();
  });

  test("is not of a leaf with a revoked one's serial number and another issuer", async () => {
    const revoking = trust((await crl("intermediate")) + (await crl("secondIntermediate", leaf)) + (await crl("root")));
    expect(revoking.complaint(chain, now)).toBeUndefined();
  });

  test("is of a revoked intermediate, also of one that Node does not show", async () => {
    const revoking = trust(await crls({ revoked: [pemOf(intermediate)] }));
    expect(revoking.complaint(chain, now)).toMatch(revoked);
    expect(revoking.complaint([leaf], now)).toMatch(revoked);
    const [other] = await issue({ bySecondIntermediate: true });
    expect(revoking.complaint(other === undefined ? [] : [other], now)).toBeUndefined();
  });

  test("is of what is revoked behind a gap in the chain", async () => {
    // Two intermediates, of which Node shows the second as the leaf's issuer.
    const [last, , upper] = await issue({ extraIntermediate: true });
    const revoking = trust(await crls({ revoked: [pemOf(intermediate)] }));
    expect(upper?.raw).toEqual(intermediate.raw);
    expect(revoking.complaint(last && upper ? [last, upper] : [], now)).toMatch(revoked);
  });

  test("is of a list that has ended, from its nextUpdate on", async () => {
    const nextUpdate = new Date(Math.ceil(now / 1000) * 1000 + HOUR_MS);
    const ending = trust(await crls({ nextUpdate }));
    expect(ending.complaint(chain, nextUpdate.getTime() - 1)).toBeUndefined();
    expect(ending.complaint(chain, nextUpdate.getTime())).toMatch(noList);
  });

  test("is of a root without a list where lists are used", async () => {
    const two = certificates(ca.ca, stranger.ca);
    const direct = await issue({ issuedByRoot: true }, stranger);
    expect(trust("", undefined, two).complaint(direct, now)).toBeUndefined();
    expect(trust(await crls(), undefined, two).complaint(direct, now)).toMatch(noList);
  });

  test("is of an intermediate whose list is there no more, and not of one that never had one", async () => {
    const peer = await issue({ bySecondIntermediate: true });
    const without = (await crl("root")) + (await crl("intermediate"));
    expect(trust(without).complaint(peer, now)).toBeUndefined();
    const before = trust(await crls());
    expect(trust(without, before).complaint(peer, now)).toMatch(noList);
    expect(trust(without, trust(without, before)).complaint(peer, now)).toMatch(noList);
  });

  test("is of an expired certificate, after the second of its end", async () => {
    const end = leaf.validToDate.getTime();
    expect(trust().complaint(chain, end + 999)).toBeUndefined();
    expect(trust().complaint(chain, end + 1000)).toMatch(/^The certificate [0-9a-f]+ has expired\.$/);
  });

  test.each([
    ["a chain that ends in a root that is not ours", certificates(stranger.ca), [leaf, intermediate, root]],
    ["a leaf that is signed by itself", certificates(ca.ca), selfSigned],
    ["a chain of a CA that only has the name of ours", certificates(successor.ca), chain],
    ["a leaf of a root that only has the name of ours", certificates(successor.ca), byRoot],
  ])("is of %s", (_what, authorities, given) => {
    expect(trust("", undefined, authorities).complaint(given, now)).toMatch(gone);
  });

  test("is none where nothing is known of the issuer", () => {
    expect(trust("", undefined, certificates(stranger.ca)).complaint([leaf], now)).toBeUndefined();
  });

  test("is of no certificate at all", () => {
    expect(trust().complaint([], now)).toBe("There is no certificate.");
  });
});

describe("tightens", () => {
  test("by an authority that is gone, and not by one more or one that was issued anew", () => {
    const one = trust();
    const two = trust("", one, certificates(ca.ca, stranger.ca));
    expect(two.tightens(one)).toBe(false);
    expect(one.tightens(two)).toBe(true);
    expect(trust().tightens(one)).toBe(false);
  });

  test("by an authority of which only the name is left", () => {
    expect(trust("", undefined, certificates(successor.ca)).tightens(trust())).toBe(true);
  });

  test("by a certificate newly revoked, and not by a list that is only issued anew", async () => {
    const before = trust(await crls());
    const anew = trust(await crls({ number: 2, nextUpdate: new Date(now + 2 * HOUR_MS) }), before);
    expect(anew.tightens(before)).toBe(false);
    const revoking = trust(await crls({ number: 3, revoked: [pemOf(leaf)] }), anew);
    expect(revoking.tightens(anew)).toBe(true);
    expect(trust(await crls({ number: 4, revoked: [pemOf(leaf)] }), revoking).tightens(revoking)).toBe(false);
    expect(trust(await crls({ number: 5 }), revoking).tightens(revoking)).toBe(false);
  });

  test("by the first list, and by a list that is there no more", async () => {
    const all = trust(await crls(), trust());
    expect(all.tightens(trust())).toBe(true);
    const fewer = trust((await crl("root")) + (await crl("intermediate")), all);
    expect(fewer.tightens(all)).toBe(true);
    expect(all.tightens(fewer)).toBe(false);
  });

  test("always where the one before is unknown", () => {
    expect(trust().tightens({ complaint: () => undefined, tightens: () => false })).toBe(true);
  });
});
