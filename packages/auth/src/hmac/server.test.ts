import { createHmac } from "node:crypto";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";
import { audience, call, key, nowMs, raw, signed, vector, verdict, verifier } from "../../test/signed-vector.ts";
import { newApiKey } from "../api-key/format.ts";
import { Credential, Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { hmac as present } from "./client.ts";
import { type KeySource, newSigningKey, type SigningKey, signingSecret } from "./keys.ts";
import { memoryNonceStore, type NonceStore } from "./nonces.ts";
import { hmac } from "./server.ts";
import { signedHead } from "./string-to-sign.ts";

test("agrees with the published vector", () => {
  const mac = createHmac("sha256", Buffer.from(vector.secret, "ascii"))
    .update(signedHead(vector))
    .update(vector.message);
  expect(mac.digest("hex")).toBe(vector.signature);
});
test("H2: verifies the published vector, once", async () => {
  const of = verifier();
  expect(await verdict(signed(), vector.message, nowMs, of)).toMatchObject({
    verdict: "verified",
    client: "order-service",
  });
  expect(await verdict(signed(), vector.message, nowMs, of)).toMatchObject({ reason: Reason.CREDENTIAL_REPLAYED });
});
test("verifies what our client signs", async () => {
  const presenter = present({ keyId: vector.keyId, secret: vector.secret, now: () => nowMs });
  const values = await presenter.present({ path: vector.path, message: async () => vector.message });
  expect(await verdict(signed(values))).toMatchObject({ verdict: "verified" });
});

describe("refuses", () => {
  test("H1: any flipped bit of the message", async () => {
    for (let bit = 0; bit < vector.message.length * 8; bit += 1) {
      const message = Buffer.from(vector.message);
      message[bit >> 3] = (message[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await verdict(signed(), message)).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
    }
  });
  test.each([
    ["another nonce", { "x-nonce": "ff112233445566778899aabbccddeeff" }],
    ["another timestamp in the window", { "x-timestamp": "1794999999" }],
    ["an unknown key id", { "x-api-key": "hk-unknown00" }],
    ["H7: a short signature", { "x-signature": vector.signature.slice(2) }],
    ["H7: an upper-case signature", { "x-signature": vector.signature.toUpperCase() }],
    ["H7: a base64 signature", { "x-signature": Buffer.from(vector.signature, "hex").toString("base64") }],
    ["H7: a long signature", { "x-signature": `${vector.signature}00` }],
    ["a missing nonce", { "x-nonce": undefined }],
    ["a nonce that is too short", { "x-nonce": "00" }],
    ["H8: two values in one", { "x-nonce": `${vector.nonce}, ${vector.nonce}` }],
    ["H5: a negative timestamp", { "x-timestamp": "-795000000" }],
    ["H5: a timestamp in milliseconds", { "x-timestamp": "1795000000000" }],
    ["H5: a timestamp that is a number to JavaScript alone", { "x-timestamp": "1.795e9000" }],
    ["H9: no signature under the rest of one", { "x-signature": undefined }],
    ["H10: an API key as key id", { "x-api-key": newApiKey("live").key.expose() }],
  ])("%s", async (_name, changes) => {
    const finding = await verdict(signed(changes));
    expect(finding).toMatchObject({ verdict: "invalid", reason: Reason.CREDENTIAL_INVALID });
    expect(JSON.stringify(finding)).not.toMatch(/sk-live|hs-/);
  });
  test("H6: a signature for another method", async () => {
    const { signature } = await verifier().open(signed(), {
      ...call(),
      path: "/payment.v1.PaymentService/CapturePayment",
    });
    expect(signature?.check(vector.message)).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
  });
  test("a key for another service, and a key that has expired", async () => {
    expect(
      await verdict(
        signed(),
        vector.message,
        nowMs,
        verifier({ ...key, audience: "https://order.production.internal" }),
      ),
    ).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
    const expired = { ...key, expiresAtMs: nowMs };
    expect(await verdict(signed(), vector.message, nowMs, verifier(expired))).toMatchObject({
      reason: Reason.CREDENTIAL_INVALID,
    });
  });
});

test.each([
  [0, "verified"],
  [300, "verified"],
  [301, "invalid"],
  [-5, "verified"],
  [-6, "invalid"],
])("H5: a timestamp that is %i s old is %s", async (age, expected) => {
  const finding = await verdict(signed(), vector.message, nowMs + age * 1000);
  const expired = { verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED };
  expect(finding).toMatchObject(expected === "invalid" ? expired : { verdict: expected });
});
test("H4: a wrong signature does not use up the victim's nonce", async () => {
  const of = verifier();
  expect(await verdict(signed({ "x-signature": "0".repeat(64) }), vector.message, nowMs, of)).toMatchObject({
    verdict: "invalid",
  });
  expect(await verdict(signed(), vector.message, nowMs, of)).toMatchObject({ verdict: "verified" });
});

describe("the order", () => {
  const asked = (options: { readonly found?: unknown; readonly nonces?: Partial<NonceStore> } = {}) => {
    const find = vi.fn<KeySource["find"]>(() => ("found" in options ? options.found : key) as SigningKey);
    const claim = vi.fn<NonceStore["claim"]>(() => "new");
    return { find, claim, of: hmac({ keys: { find }, nonces: { claim, ...options.nonces }, audience }) };
  };
  test.each([
    ["x-api-key", ["", "hk-short", `hk-${"a".repeat(33)}`, "hk-UPPER000", `x${vector.keyId}`, `${vector.keyId} `]],
    ["x-timestamp", ["", "179500000", "01795000000", "1795000000.", "+795000000", "179500000a"]],
    ["x-nonce", ["", "0".repeat(15), "0".repeat(65), "g".repeat(32), "A".repeat(32)]],
    ["x-signature", ["", "0".repeat(63), "0".repeat(65), "g".repeat(64), "A".repeat(64)]],
  ])("a bad %s costs no look-up of the key", async (name, values) => {
    for (const value of values) {
      const { find, claim, of } = asked();
      const finding = await verdict(signed({ [name]: value }), vector.message, nowMs, of);
      expect({ value, ...finding }).toMatchObject({ value, verdict: "invalid", reason: Reason.CREDENTIAL_INVALID });
      expect([value, find.mock.calls, claim.mock.calls]).toEqual([value, [], []]);
    }
  });
  test.each([301, -6])("a timestamp %i s out of the window costs no look-up of the key", async (age) => {
    const { find, of } = asked();
    const finding = await verdict(signed(), vector.message, nowMs + age * 1000, of);
    expect(finding).toMatchObject({ verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED });
    expect(find).not.toHaveBeenCalled();
  });
  test("H4: a wrong signature, an unknown or a retired key cost no nonce", async () => {
    const refused: [Metadata, unknown][] = [
      [signed({ "x-signature": "0".repeat(64) }), key],
      [signed(), undefined],
      [signed(), { ...key, revokedAtMs: nowMs }],
      [signed(), { ...key, expiresAtMs: nowMs }],
      [signed(), { ...key, audience: "https://order.production.internal" }],
    ];
    for (const [metadata, found] of refused) {
      const { find, claim, of } = asked({ found });
      expect(await verdict(metadata, vector.message, nowMs, of)).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
      expect([find.mock.calls.length, claim.mock.calls.length]).toEqual([1, 0]);
    }
  });
  test("H2: a message that comes when its timestamp is out of the window costs no nonce, which may be forgotten by then", async () => {
    const { claim, of } = asked();
    const { signature } = await of.open(signed(), call(nowMs));
    expect(signature?.check(vector.message)).toMatchObject({ verdict: "verified" });
    expect(await signature?.claim(nowMs + 301_000)).toMatchObject({ reason: Reason.CREDENTIAL_EXPIRED });
    expect(claim).not.toHaveBeenCalled();
    expect(await signature?.claim(nowMs + 30_000)).toBeUndefined();
    expect(claim.mock.calls).toMatchObject([[{ nowSeconds: Number(vector.timestamp) + 30 }]]);
  });
  test("the nonce is claimed under a hash of fixed size of key id and nonce", async () => {
    const { claim, of } = asked();
    await verdict(signed(), vector.message, nowMs, of);
    const timestampSeconds = Number(vector.timestamp);
    const hash = expect.stringMatching(/^[A-Za-z0-9_-]{43}$/);
    expect(claim.mock.calls).toEqual([[{ keyId: vector.keyId, hash, timestampSeconds, nowSeconds: timestampSeconds }]]);
  });
});

describe("an unknown key", () => {
  test("costs what a wrong signature costs, and gets its answer", async () => {
    const digests = vi.spyOn(Object.getPrototypeOf(createHmac("sha256", "")) as { digest: () => Buffer }, "digest");
    try {
      const wrong = signed({ "x-signature": "0".repeat(64) });
      const [known, unknown] = [await verdict(wrong), await verdict(signed({ "x-api-key": "hk-unknown00" }))];
      expect(digests).toHaveBeenCalledTimes(2);
      expect(unknown).toEqual({ ...known, cause: "no such signing key" });
    } finally {
      digests.mockRestore();
    }
  });
  test("is not one whose secret is known", async () => {
    for (const length of [0, 32, 46]) {
      const head = signedHead(vector);
      const mac = createHmac("sha256", Buffer.alloc(length)).update(head).update(vector.message).digest("hex");
      const forged = signed({ "x-api-key": "hk-unknown00", "x-signature": mac });
      expect(await verdict(forged)).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
    }
  });
});

test("H2: what was served is not served again by the process after this one, also when the caller's clock was ahead", async () => {
  for (const ahead of [0, 5]) {
    const servedAtMs = nowMs - ahead * 1000;
    for (const restartedAfterMs of [0, 500, 6_000]) {
      let clockMs = servedAtMs + restartedAfterMs;
      const of = hmac({ keys: { find: () => key }, nonces: memoryNonceStore({ now: () => clockMs }), audience });
      for (; clockMs < nowMs + 302_000; clockMs += 1_000) {
        expect((await verdict(signed(), vector.message, clockMs, of)).verdict).not.toBe("verified");
      }
    }
  }
});
test("H8: a line feed in any part, and several values of any key, are refused", async () => {
  for (const [name, value] of Object.entries(signed().getMap())) {
    const twice = signed();
    twice.add(name, String(value));
    expect(await verdict(twice)).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
    for (const text of [
      `${String(value)}\n`,
      `\n${String(value)}`,
      `${String(value).slice(0, 4)}\n${String(value).slice(4)}`,
    ]) {
      expect(await verdict(raw({ [name]: text }))).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
    }
  }
});
test("H9: a call without a signature presents none, and one with a part of it presents one", () => {
  const of = verifier();
  const named = new Set([Credential.HMAC]);
  expect(of.isPresented(new Metadata(), named)).toBe(false);
  for (const part of ["x-api-key", "x-timestamp", "x-nonce", "x-signature"]) {
    const metadata = new Metadata();
    metadata.set(part, "x");
    expect(of.isPresented(metadata, named)).toBe(true);
  }
});
test.each(["revokedAtMs", "expiresAtMs"] as const)("H9: a key is good until %s, to the millisecond", async (at) => {
  expect(await verdict(signed(), vector.message, nowMs, verifier({ ...key, [at]: nowMs + 1 }))).toMatchObject({
    verdict: "verified",
  });
  expect(await verdict(signed(), vector.message, nowMs, verifier({ ...key, [at]: nowMs }))).toMatchObject({
    reason: Reason.CREDENTIAL_INVALID,
  });
});
test("H4: whoever signs with a victim's nonce, under a key that is good, is no harm to the victim", async () => {
  const [attacker, victim] = [newSigningKey(), newSigningKey()];
  const known = new Map(
    [attacker, victim].map(({ id, secret }) => [id, { ...key, id, secret: signingSecret(secret) }]),
  );
  const nonces = memoryNonceStore({ now: () => nowMs - 3_600_000 });
  const of = hmac({ keys: { find: (id) => known.get(id) }, nonces, audience });
  for (const { id, secret } of [attacker, victim]) {
    const mac = createHmac("sha256", secret.expose()).update(signedHead(vector)).update(vector.message).digest("hex");
    const metadata = signed({ "x-api-key": id, "x-signature": mac });
    expect(await verdict(metadata, vector.message, nowMs, of)).toMatchObject({ verdict: "verified" });
  }
});
test("a rotation is a second id, and both sign until the old one ends", async () => {
  const fresh = newSigningKey();
  const keys = new Map<string, SigningKey>([
    [key.id, { ...key, expiresAtMs: nowMs + 1_000 }],
    [fresh.id, { ...key, id: fresh.id, secret: signingSecret(fresh.secret) }],
  ]);
  const nonces = memoryNonceStore({ now: () => nowMs - 3_600_000 });
  const of = hmac({ keys: { find: (id) => keys.get(id) }, nonces, audience });
  const by = async (keyId: string, secret: Parameters<typeof signingSecret>[0], at: number) => {
    const presenter = present({ keyId, secret, now: () => at });
    const values = await presenter.present({ path: vector.path, message: async () => vector.message });
    return (await verdict(signed(values), vector.message, at, of)).verdict;
  };
  const both = async (at: number) => [await by(key.id, vector.secret, at), await by(fresh.id, fresh.secret, at)];
  expect([await both(nowMs), await both(nowMs + 1_000)]).toEqual([
    ["verified", "verified"],
    ["invalid", "verified"],
  ]);
});
test("a clock that is broken lets nobody in", async () => {
  const finding = await verdict(signed(), vector.message, Number.NaN);
  expect(finding).toMatchObject({ verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED });
});

describe("the nonce store", () => {
  const claiming = (answer: unknown) =>
    verdict(
      signed(),
      vector.message,
      nowMs,
      hmac({ keys: { find: () => key }, nonces: { claim: () => answer as "new" }, audience }),
    );
  test.each([
    ["new", { verdict: "verified" }],
    ["replayed", { verdict: "invalid", reason: Reason.CREDENTIAL_REPLAYED }],
    ["quota", { verdict: "limited" }],
    ["early", { verdict: "unavailable" }],
    ["full", { verdict: "unavailable" }],
  ])("says %s", async (answer, finding) => {
    expect(await claiming(answer)).toMatchObject(finding);
  });
  test.each([undefined, null, true, "OK", "New", 1, {}])("that answers %j could not be asked", async (answer) => {
    await expect(claiming(answer)).rejects.toThrow("the nonce store answered nonsense");
  });
  test("that throws or rejects could not be asked", async () => {
    const nonces = { claim: () => Promise.reject(new Error("down")) };
    const of = hmac({ keys: { find: () => key }, nonces, audience });
    await expect(verdict(signed(), vector.message, nowMs, of)).rejects.toThrow("down");
  });
  test.each([
    [{ pastSeconds: 301 }, {}],
    [{ futureSeconds: 6 }, {}],
    [{}, { pastSeconds: 299 }],
    [{}, { futureSeconds: 4 }],
    [{}, { futureSeconds: 0, pastSeconds: 600 }],
  ])("that remembers for less than the window is refused (%j over %j)", (window, remembered) => {
    const nonces = memoryNonceStore(remembered);
    expect(() => hmac({ keys: { find: () => key }, nonces, audience, ...window })).toThrow(/remembers for less/);
  });
  test("that remembers for longer is taken", () => {
    const nonces = memoryNonceStore({ pastSeconds: 600, futureSeconds: 10 });
    expect(() => hmac({ keys: { find: () => key }, nonces, audience })).not.toThrow();
  });
});
