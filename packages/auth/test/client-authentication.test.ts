import { generateKeyPairSync } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, jwtVerify } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { type ClientCredentialsOptions, clientCredentials, Secret } from "../src/client.ts";
import { type IssuerServer, json, startIssuerServer } from "./issuer-server.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
const issuerId = "https://issuer.production.internal";
const open = (issuer: Pick<IssuerServer, "url" | "agent">, changes: Partial<ClientCredentialsOptions>) =>
  clientCredentials({
    tokenEndpoint: issuer.url,
    agent: issuer.agent,
    clientId: "store front",
    audience: "https://order.production.internal",
    scopes: ["read:orders"],
    ...changes,
  });

/** What a client shows to get a token. */
async function shown(changes: Partial<ClientCredentialsOptions>) {
  await using issuer = await startIssuerServer(ca);
  const { promise, resolve } = Promise.withResolvers<{ req: IncomingMessage; form: URLSearchParams }>();
  issuer.answer = (req, res) => {
    void text(req).then((form) => {
      resolve({ req, form: new URLSearchParams(form) });
      json({ access_token: "a.b.c", token_type: "Bearer", expires_in: 300 })(req, res);
    });
  };
  await open(issuer, changes).token();
  const { req, form } = await promise;
  return { authorization: req.headers.authorization, form };
}

describe("a client", () => {
  test.each(["s:ecret +/%é*()~!'", new Secret("s:ecret +/%é*()~!'")])(
    "shows its secret as RFC 6749 §2.3.1 has it, form-encoded: %s",
    async (clientSecret) => {
      const { authorization, form } = await shown({ clientSecret });
      const [scheme, encoded = ""] = (authorization ?? "").split(" ");
      const [id, secret, ...rest] = Buffer.from(encoded, "base64").toString("ascii").split(":");
      expect([scheme, id, rest]).toEqual(["Basic", "store+front", []]);
      expect(secret).toMatch(/^[A-Za-z0-9*._+%-]+$/);
      expect(new URLSearchParams(`_=${secret}`).get("_")).toBe("s:ecret +/%é*()~!'");
      expect([...form.keys()].sort()).toEqual(["grant_type", "resource", "scope"]);
    },
  );
  test("shows its certificate, and says who it is, where it has nothing else (RFC 8705 §2)", async () => {
    const { authorization, form } = await shown({});
    expect([authorization, form.get("client_id")]).toEqual([undefined, "store front"]);
    expect([...form.keys()].sort()).toEqual(["client_id", "grant_type", "resource", "scope"]);
  });
  test.each([
    ["ES256", "CryptoKey"],
    ["Ed25519", "CryptoKey"],
    ["ES256", "KeyObject"],
    ["Ed25519", "KeyObject"],
  ] as const)(
    "signs an assertion (%s, %s), for one server, one request and one minute (RFC 7523)",
    async (algorithm, kind) => {
      const pair =
        kind === "CryptoKey"
          ? await generateKeyPair(algorithm)
          : algorithm === "ES256"
            ? generateKeyPairSync("ec", { namedCurve: "P-256" })
            : generateKeyPairSync("ed25519");
      const keyId = await calculateJwkThumbprint(await exportJWK(pair.publicKey));
      const clientAssertion = { privateKey: pair.privateKey, keyId, algorithm, audience: issuerId };
      const nowMs = 1_795_000_000_500;
      const assertions = await Promise.all([
        shown({ clientAssertion, now: () => nowMs }),
        shown({ clientAssertion, now: () => nowMs }),
      ]);
      const jtis = new Set<string | undefined>();
      for (const { authorization, form } of assertions) {
        expect(authorization).toBeUndefined();
        expect(form.get("client_id")).toBe("store front");
        expect(form.get("client_assertion_type")).toBe("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        const { payload, protectedHeader } = await jwtVerify(form.get("client_assertion") ?? "", pair.publicKey, {
          currentDate: new Date(nowMs),
        });
        expect(protectedHeader).toEqual({ alg: algorithm, kid: keyId, typ: "client-authentication+jwt" });
        const iat = 1_795_000_000;
        const who = { iss: "store front", sub: "store front", aud: issuerId };
        expect(payload).toEqual({ ...who, jti: expect.any(String), iat, exp: iat + 60 });
        jtis.add(payload.jti);
      }
      expect(jtis.size).toBe(2);
    },
  );
  test("signs another assertion for every request of one source", async () => {
    await using issuer = await startIssuerServer(ca);
    const seen: string[] = [];
    issuer.answer = (req, res) => {
      void text(req).then((form) => {
        seen.push(new URLSearchParams(form).get("client_assertion") ?? "");
        json({ access_token: `a.b.${seen.length}`, token_type: "Bearer", expires_in: 300 })(req, res);
      });
    };
    const { privateKey } = await generateKeyPair("ES256");
    const clientAssertion = { privateKey, keyId: "1", algorithm: "ES256", audience: issuerId } as const;
    const source = open(issuer, { clientAssertion });
    expect(source.refused?.(await source.token())).toBe(true);
    await source.token();
    expect([seen.length, new Set(seen).size]).toEqual([2, 2]);
  });
});

describe("clientCredentials refuses", async () => {
  const issuer = { url: new URL("https://issuer.production.internal/oauth/token"), agent: {} as IssuerServer["agent"] };
  const es256 = await generateKeyPair("ES256");
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const rsa = await generateKeyPair("PS256");
  const right = { privateKey: es256.privateKey, keyId: "1", algorithm: "ES256", audience: issuerId } as const;
  test.each([
    ["a secret and a key", { clientSecret: "canary", clientAssertion: right }],
    ["an empty secret", { clientSecret: "" }],
    ["a public key", { clientAssertion: { ...right, privateKey: es256.publicKey } }],
    ["a key of another algorithm", { clientAssertion: { ...right, algorithm: "Ed25519" } }],
    ["a key of another curve", { clientAssertion: { ...right, privateKey: p384.privateKey } }],
    ["an RSA key", { clientAssertion: { ...right, privateKey: rsa.privateKey } }],
    ["an empty key id", { clientAssertion: { ...right, keyId: "" } }],
    ["an assertion for nobody", { clientAssertion: { ...right, audience: "" } }],
  ] as [string, Partial<ClientCredentialsOptions>][])("%s", (_what, changes) => {
    expect(() => open(issuer, changes)).toThrow(TypeError);
    expect(() => open(issuer, changes)).not.toThrow(/canary/);
  });
});
