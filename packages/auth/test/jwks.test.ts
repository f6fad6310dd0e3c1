import type { ServerResponse } from "node:http";
import { Agent } from "node:https";
import { gzipSync } from "node:zlib";
import { createCa, createTokenIssuer, type TestCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type JwksOptions, jwks } from "../src/bearer/jwks.ts";
import { bearer } from "../src/bearer/server.ts";
import { CallBudget } from "../src/call-budget.ts";
import { type IssuerServer, json, startIssuerServer } from "./issuer-server.ts";
import { presentToken, thumbprint } from "./present-token.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
const audience = "https://order.production.internal";

function open(issuer: IssuerServer, options: Partial<JwksOptions> = {}) {
  const errors: string[] = [];
  const keys = jwks({
    url: issuer.url,
    agent: issuer.agent,
    onError: (error) => errors.push(error.message),
    ...options,
  });
  const verifier = bearer({ issuer: tokens.issuer, audience, keys });
  const verify = async (header: Record<string, unknown> = {}) => {
    const claims = { aud: audience, sub: "a", client_id: "a", cnf: { "x5t#S256": thumbprint } };
    const token = await tokens.sign(claims, header);
    return (await presentToken(verifier, `Bearer ${token}`, { nowMs: Date.now() })).finding.verdict;
  };
  const find = async (kid: string = tokens.keyId) =>
    keys.find(kid, "ES256").then(
      (key) => key?.kid ?? "no such key",
      (error: unknown) => (error as Error).name,
    );
  return { errors, keys, verify, find, [Symbol.dispose]: () => keys.close() };
}

/** However busy the machine is. */
const inTime = { timeout: 10_000 };
const ready = ({ keys }: ReturnType<typeof open>) => vi.waitFor(() => expect(keys.isReady()).toBe(true), inTime);

/** Answers when it is told to. */
function held() {
  const waiting: ServerResponse[] = [];
  const answer: IssuerServer["answer"] = (_req, res) => void waiting.push(res);
  return { waiting, answer };
}

describe("jwks", () => {
  test("reads the keys once for a thousand tokens, none of which waits for long", async () => {
    await using issuer = await startIssuerServer(ca);
    const slow = held();
    issuer.answer = slow.answer;
    using opened = open(issuer, { timeoutMs: 20_000 });
    const many = async () => new Set(await Promise.all(Array.from({ length: 1000 }, () => opened.find())));
    expect(await many()).toEqual(new Set(["KeysUnavailable"]));
    await vi.waitFor(() => expect(slow.waiting).toHaveLength(1), inTime);
    slow.waiting[0]?.end(JSON.stringify(tokens.jwks));
    await ready(opened);
    expect(await many()).toEqual(new Set([tokens.keyId]));
    expect(await opened.verify()).toBe("verified");
    expect(issuer.requests).toBe(1);
  });
  test("I5 asks once for a kid that is new, and has it", async () => {
    await using issuer = await startIssuerServer(ca);
    const other = await createTokenIssuer({ issuer: tokens.issuer });
    issuer.answer = json(other.jwks);
    let nowMs = 0;
    using opened = open(issuer, { now: () => nowMs });
    await ready(opened);
    issuer.answer = json({ keys: [...tokens.jwks.keys, ...other.jwks.keys] });
    nowMs = 6_000;
    await Promise.all(Array.from({ length: 100 }, () => opened.find()));
    await vi.waitFor(async () => expect(await opened.verify()).toBe("verified"), inTime);
    expect(issuer.requests).toBe(2);
  });
  test("I5 asks once for a thousand unknown kids, not for each, whether the server is up, down or slow", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json(tokens.jwks);
    let nowMs = 0;
    using opened = open(issuer, { now: () => nowMs });
    await ready(opened);
    const many = async () => [
      ...new Set(await Promise.all(Array.from({ length: 1000 }, (_, i) => opened.find(`made-up-${i}`)))),
    ];
    /** Until the server has been asked so often; and it is not asked more often. */
    const ask = async (requests: number) => {
      await vi.waitFor(async () => expect([await many(), issuer.requests]).toContain(requests), inTime);
      return [...(await many()), issuer.requests];
    };
    nowMs = 6_000;
    expect(await ask(2)).toEqual(["no such key", 2]);
    issuer.answer = json({}, 500);
    nowMs = 12_000;
    expect(await ask(3)).toEqual(["no such key", 3]);
    nowMs = 100_000;
    expect(await ask(4)).toEqual(["KeysUnavailable", 4]);
    issuer.answer = held().answer;
    nowMs = 106_000;
    expect(await ask(5)).toEqual(["KeysUnavailable", 5]);
    expect(await opened.find()).toBe(tokens.keyId);
  });
  test("I1 serves known keys through an outage for the stated time, then says that it cannot tell, then recovers", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json(tokens.jwks);
    let nowMs = 0;
    using opened = open(issuer, { now: () => nowMs, outageMs: 3_600_000 });
    await ready(opened);
    const key = await opened.keys.find(tokens.keyId, "ES256");
    issuer.answer = json({}, 500);
    nowMs = 3_599_000;
    expect([await opened.verify(), opened.keys.isReady()]).toEqual(["verified", true]);
    expect(await opened.find("new")).toBe("KeysUnavailable");
    nowMs = 3_607_000;
    expect([await opened.verify(), opened.keys.isReady()]).toEqual(["unavailable", false]);
    expect(() => key !== undefined && opened.keys.holds(key)).toThrow(/has not answered/);
    issuer.answer = json(tokens.jwks);
    nowMs = 3_620_000;
    await vi.waitFor(async () => expect(await opened.verify()).toBe("verified"), inTime);
    expect(opened.keys.isReady()).toBe(true);
    expect(key !== undefined && opened.keys.holds(key)).toBe(true);
  });
  test("I2 is not ready where the server is down at the start, and recovers by itself", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json({}, 503);
    using opened = open(issuer, { refreshMs: 20 });
    expect([await opened.verify(), opened.keys.isReady()]).toEqual(["unavailable", false]);
    issuer.answer = json(tokens.jwks);
    await ready(opened);
    expect(await opened.verify()).toBe("verified");
  });
  test("I6 drops a key that was withdrawn at the next refresh, from calls and tokens that it let in too", async () => {
    await using issuer = await startIssuerServer(ca);
    const other = await createTokenIssuer({ issuer: tokens.issuer });
    issuer.answer = json({ keys: [...tokens.jwks.keys, ...other.jwks.keys] });
    using opened = open(issuer, { refreshMs: 20 });
    await ready(opened);
    const verifier = bearer({ issuer: tokens.issuer, audience, keys: opened.keys });
    const claims = { aud: audience, sub: "a", client_id: "a", cnf: { "x5t#S256": thumbprint } };
    const token = `Bearer ${await tokens.sign(claims)}`;
    const show = () => presentToken(verifier, token, { nowMs: Date.now() });
    const { finding, recheck } = await show();
    expect(finding.verdict).toBe("verified");
    const asked = issuer.requests;
    await vi.waitFor(() => expect(issuer.requests).toBeGreaterThan(asked + 2), inTime);
    expect(recheck?.(Date.now())).toMatchObject({ verdict: "verified" });
    issuer.answer = json(other.jwks);
    await vi.waitFor(() => expect(recheck?.(Date.now())).toMatchObject({ verdict: "invalid" }), inTime);
    expect((await show()).finding.verdict).toBe("invalid");
  });
  test.each([
    ["I4 status 500", json({}, 500), /status 500/],
    ["I4 status 429", json(tokens.jwks, 429), /status 429/],
    [
      "I4 a redirect",
      (_req, res) => res.writeHead(302, { location: "https://evil.internal/" }).end("{}"),
      /status 302/,
    ],
    ["I4 HTML", (_req, res) => res.end("<html>"), /without JSON/],
    ["I4 an empty object", json({}), /no JWKS/],
    ["I4 no keys", json({ keys: [] }), /no signing key/],
    ["I4 a symmetric key", json({ keys: [{ kty: "oct", k: "AAAA", kid: "a" }] }), /no signing key/],
    [
      "half an answer",
      (_req, res) => res.writeHead(200, { "content-length": "100" }).write("{", () => res.destroy()),
      /cannot be read/,
    ],
    ["I3 a document without end", (_req, res) => endless(res), /larger than 65536/],
    [
      "I3 a compressed bomb",
      (_req, res) => res.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(1e7))),
      /compressed/,
    ],
    ["I3 silence", () => undefined, /no answer within/],
    ["I3 half an answer and silence", (_req, res) => void res.writeHead(200).write("{"), /no answer within/],
  ] as [string, IssuerServer["answer"], RegExp][])("%s: keeps the last good keys", async (_name, answer, cause) => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json(tokens.jwks);
    using opened = open(issuer, { refreshMs: 20, timeoutMs: 500 });
    await ready(opened);
    issuer.answer = answer;
    await vi.waitFor(() => expect(opened.errors.some((error) => cause.test(error))).toBe(true), inTime);
    expect(await opened.verify()).toBe("verified");
    issuer.answer = json(tokens.jwks);
    const asked = issuer.requests;
    await vi.waitFor(() => expect(issuer.requests).toBeGreaterThan(asked + 1), inTime);
  });
  test("I7 is not read from a server with another identity", async () => {
    await using issuer = await startIssuerServer(ca, { workload: "storefront" });
    issuer.answer = json(tokens.jwks);
    using opened = open(issuer);
    expect(await opened.verify()).toBe("unavailable");
    expect(issuer.requests).toBe(0);
  });
  test("I3 a connection that never comes about holds up no call for long, and no later reading", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json(tokens.jwks);
    let stuck = true;
    // Node asks an agent for a connection in this way, and waits for one for ever.
    const real = issuer.agent as Agent & { addRequest(...args: unknown[]): void };
    const addRequest = (...args: unknown[]) => stuck || real.addRequest(...args);
    using opened = open(issuer, { agent: Object.assign(new Agent(), { addRequest }), refreshMs: 20, timeoutMs: 1_000 });
    expect(await opened.find()).toBe("KeysUnavailable");
    expect(opened.errors).toEqual([]);
    stuck = false;
    await ready(opened);
    expect(opened.errors).toEqual([expect.stringMatching(/no answer within/)]);
  });
  test("tells of a key that it ignores once", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json({ keys: [...tokens.jwks.keys, { kty: "oct", kid: "leaked", k: "canary" }] });
    using opened = open(issuer, { refreshMs: 20 });
    await vi.waitFor(() => expect(issuer.requests).toBeGreaterThan(3), inTime);
    expect(opened.errors).toEqual([expect.stringMatching(/the key leaked .* secret/)]);
  });
  test("goes on where its log fails, and its clock goes back", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json({}, 500);
    let nowMs = 0;
    const onError = () => {
      throw new Error("disk full");
    };
    using opened = open(issuer, { refreshMs: 20, onError, now: () => nowMs });
    await vi.waitFor(() => expect(issuer.requests).toBeGreaterThan(2), inTime);
    // It is told of a key that is ignored too.
    issuer.answer = json({ keys: [...tokens.jwks.keys, { kty: "oct", kid: "leaked", k: "AAAA" }] });
    await ready(opened);
    issuer.answer = json({}, 500);
    const asked = issuer.requests;
    await vi.waitFor(() => expect(issuer.requests).toBeGreaterThan(asked + 1), inTime);
    nowMs = -4_000_000;
    expect(opened.keys.isReady()).toBe(false);
    issuer.answer = json(tokens.jwks);
    await ready(opened);
  });
  test("a log that rejects is heard of by nobody", async () => {
    const rejects = (): unknown => Promise.reject(new Error("disk full"));
    const { promise: heard, resolve } = Promise.withResolvers<unknown>();
    process.once("unhandledRejection", resolve);
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json({}, 500);
    using opened = open(issuer, {
      refreshMs: 20,
      onError: rejects,
    });
    await vi.waitFor(() => expect(issuer.requests).toBeGreaterThan(2), inTime);
    issuer.answer = json(tokens.jwks);
    expect(await Promise.race([heard, ready(opened)])).not.toBeInstanceOf(Error);
    process.off("unhandledRejection", resolve);
  });
  test("I3 a slow server is waited for less long than a verifier may take, also by the second of two", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json(tokens.jwks);
    let nowMs = 0;
    using opened = open(issuer, { now: () => nowMs });
    await ready(opened);
    issuer.answer = held().answer;
    nowMs = 10_000;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      // As `protect()` asks, and some time after it asked another verifier.
      const budget = new CallBudget(500);
      const first = budget.wait(Promise.withResolvers<never>().promise, 100);
      vi.advanceTimersByTime(20);
      const second = budget.wait(opened.find("other"), 100);
      const [unknown] = await Promise.allSettled([second, first, vi.advanceTimersByTimeAsync(500)]);
      expect(unknown).toEqual({ status: "fulfilled", value: "no such key" });
    } finally {
      vi.useRealTimers();
    }
  });
  test.each([
    { url: new URL("http://127.0.0.1/") },
    { refreshMs: 0 },
    { refreshMs: Number.NaN },
    { timeoutMs: -1 },
    { outageMs: Number.POSITIVE_INFINITY },
  ])("does not start with %o", async (options) => {
    await using issuer = await startIssuerServer(ca);
    expect(() => open(issuer, options)).toThrow(TypeError);
  });
  test("asks nobody any more once it is closed, and tells nobody", async () => {
    await using issuer = await startIssuerServer(ca);
    const slow = held();
    issuer.answer = slow.answer;
    let nowMs = 0;
    const opened = open(issuer, { refreshMs: 20, timeoutMs: 60_000, now: () => nowMs });
    await vi.waitFor(() => expect(slow.waiting).toHaveLength(1), inTime);
    opened.keys.close();
    // It waits for no answer either, which would keep the process from ending.
    await vi.waitFor(() => expect(slow.waiting[0]?.destroyed).toBe(true), inTime);
    issuer.answer = json(tokens.jwks);
    using other = open(issuer);
    await ready(other);
    nowMs = 10_000;
    expect(await opened.find()).toBe("KeysUnavailable");
    expect(issuer.requests).toBe(2);
    expect(opened.errors).toEqual([]);
  });
});

/** Writes as long as somebody reads. */
function endless(res: ServerResponse): void {
  const chunk = Buffer.alloc(16 * 1024, " ");
  const write = (): void => {
    while (!res.destroyed && res.write(chunk));
  };
  res.on("drain", write).writeHead(200);
  write();
}
