import { createCa, extendedKeyUsage, type LeafOptions } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { limbo, type OurEnd } from "./limbo.ts";
import { vectorFolder } from "./vector-folder.ts";

const DAY_MS = 24 * 60 * 60_000;
const ca = await createCa();
const stranger = await createCa({ name: "Strange" });
const { serverAuth, clientAuth, codeSigning } = extendedKeyUsage;

/** A case as x509-limbo writes them: about a server, named greeter.example.com. */
async function testcase(leaf: LeafOptions = {}, more: object = {}): Promise<object> {
  const { cert } = await ca.issue({ dns: ["greeter.example.com"], eku: [serverAuth], ...leaf });
  const [peer, ...untrusted] = cert.split(/(?<=-----END CERTIFICATE-----\n)/);
  return {
    id: "ours::case",
    description: "of our own making",
    features: [],
    validation_kind: "SERVER",
    trusted_certs: [ca.ca],
    untrusted_intermediates: untrusted,
    peer_certificate: peer,
    validation_time: null,
    signature_algorithms: [],
    key_usage: [],
    extended_key_usage: [],
    expected_result: "SUCCESS",
    expected_peer_name: { kind: "DNS", value: "greeter.example.com" },
    expected_peer_names: [],
    max_chain_depth: null,
    ...more,
  };
}

async function judged(testcases: readonly object[], end: OurEnd): Promise<readonly string[]> {
  using folder = vectorFolder();
  const outcomes = await limbo(folder.write("limbo.json", { version: 1, testcases }), end);
  return outcomes?.map(({ ours }) => ours) ?? [];
}

const ends = ["client", "server"] as const;
const aYearAgo = { notBefore: new Date(Date.now() - 200 * DAY_MS), notAfter: new Date(Date.now() - 100 * DAY_MS) };
const then = new Date(Date.now() - 150 * DAY_MS).toISOString();

test.each(ends)("lets a good chain through our %s", async (end) => {
  expect(await judged([await testcase()], end)).toEqual(["accepted"]);
});

test.each([
  [
    "of a CA that is not trusted",
    {},
    { trusted_certs: [stranger.ca] },
    /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER/,
  ],
  [
    "without its intermediate",
    { withoutIntermediate: true },
    {},
    /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER/,
  ],
  ["whose signature is another's", { forged: true }, {}, /CERT_SIGNATURE_FAILURE|UNABLE_TO/],
  ["with more CAs than one of them allows", { extraIntermediate: true }, {}, /PATH_LENGTH_EXCEEDED/],
  ["that has expired", aYearAgo, {}, /CERT_HAS_EXPIRED/],
  ["that is good no more at the time of the case", {}, { validation_time: "2999-01-01T00:00:00Z" }, /CERT_HAS_EXPIRED/],
  ["for signing code", { eku: [codeSigning] }, {}, /INVALID_PURPOSE/],
  ["for the other use", { eku: [clientAuth] }, {}, /INVALID_PURPOSE/],
  ["of another name", { dns: ["other.example.com"] }, {}, /does not name greeter|another workload/],
])("keeps a chain %s from both our ends", async (_what, leaf: LeafOptions, more: object, refused) => {
  const made = await testcase(leaf, more);
  for (const end of ends) {
    const [ours] = await judged([made], end);
    expect(ours).toMatch(/^refused: /);
    expect(ours).toMatch(refused);
  }
});

test("does not begin to trust a root that is no CA", async () => {
  const made = await testcase();
  const itself = { ...made, trusted_certs: [Reflect.get(made, "peer_certificate")] };
  const why = /^refused: at the start: The CA holds a certificate that is not a CA's/;
  for (const end of ends) expect((await judged([itself], end))[0]).toMatch(why);
});

test.each(ends)("judges a chain of another time as it was then, at our %s", async (end) => {
  const old = await testcase(aYearAgo, { validation_time: then });
  expect(await judged([old], end)).toEqual(["accepted"]);
});

test("shows a client's certificate to our server as it is, and turns it round for our client", async () => {
  const name = { expected_peer_name: null, expected_peer_names: [{ kind: "DNS", value: "greeter.example.com" }] };
  const client = await testcase({ eku: [clientAuth] }, { validation_kind: "CLIENT", ...name });
  for (const end of ends) expect(await judged([client], end)).toEqual(["accepted"]);
  const wrong = await testcase({ eku: [serverAuth] }, { validation_kind: "CLIENT", ...name });
  for (const end of ends) expect(await judged([wrong], end)).toEqual(["refused: INVALID_PURPOSE"]);
});

test.each([
  ["revocation lists", { crls: ["a list"] }, /revocation lists/],
  ["signature algorithms", { signature_algorithms: ["RSA_WITH_SHA1"] }, /signature algorithms/],
  ["key usages", { key_usage: ["keyCertSign"] }, /key usages/],
  ["another use", { extended_key_usage: ["emailProtection"] }, /another use/],
  ["a depth", { max_chain_depth: 1 }, /depth/],
  ["no name", { expected_peer_name: null }, /names no peer/],
  ["an address", { expected_peer_name: { kind: "IP", value: "127.0.0.1" } }, /something else than a DNS name/],
  ["a pattern", { expected_peer_name: { kind: "DNS", value: "*.example.com" } }, /not a DNS name/],
  ["a certificate that is none", { peer_certificate: "nothing" }, /cannot be given another key/],
])("does not compare a case with %s, and says so", async (_what, more, why) => {
  const [ours] = await judged([await testcase({}, more)], "client");
  expect(ours).toMatch(/^not compared: /);
  expect(ours).toMatch(why);
});

test("does not compare what is about a kind of key, or about seconds", async () => {
  const end = new Date(Math.floor(Date.now() / 1000) * 1000 - DAY_MS);
  const seconds = await testcase({ ...aYearAgo, notAfter: end }, { validation_time: end.toISOString() });
  const weak = await testcase({ weakKey: true });
  const [ofSeconds, ofKey] = await judged([seconds, weak], "server");
  expect(ofSeconds).toMatch(/^not compared: it is about seconds/);
  expect(ofKey).toMatch(/^not compared: .*key of an unusual kind/);
});
