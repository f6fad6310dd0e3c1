import { crc32 } from "node:zlib";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import { parseApiKeys } from "../src/api-key/records.ts";
import { bearer, connect, hmac } from "../src/client.ts";
import { Credential, definePolicy } from "../src/index.ts";
import type { Presenter } from "../src/presenter.ts";
import * as server from "../src/server.ts";
import { scope, type TestCredentials, testCredentials } from "./generators/credentials.ts";
import { ping, pingBytes, pingPath } from "./ping-client.ts";
import { idOf, type PingServer, pingDefinition, startPingServer } from "./ping-server.ts";

const { MTLS, API_KEY, BEARER, HMAC } = Credential;
const stranger = idOf("stranger");
let ca: TestCa;
let credentials: TestCredentials;
beforeAll(async () => {
  ca = await createCa();
  credentials = await testCredentials(ca);
});
afterAll(() => credentials[Symbol.asyncDispose]());

/** A server whose Ping takes one credential. */
function start(credential: Credential, verifiers = credentials.verifiers()): Promise<PingServer> {
  const rules = [{ credentials: [credential], scopes: [scope] }];
  const streams = [{ credentials: [MTLS], scopes: [scope] }];
  const policies = [
    definePolicy(pingDefinition, { Ping: rules, PingMany: streams, PingSum: streams, PingEach: streams }),
  ];
  return startPingServer(ca, {
    policies,
    grants: credentials.grants,
    credentials: verifiers,
    decisionTimeoutMs: 10_000,
  });
}

const signer = (now: () => number = Date.now): Presenter => {
  const { id: keyId, secret } = credentials.signingKeys.good;
  return hmac({ keyId, secret, now });
};
const presented = (now?: () => number) => signer(now).present({ path: pingPath, message: async () => pingBytes() });

/** What samples of such interceptors often get wrong, and what has to become of whoever tries it here. */
const weaknesses: readonly {
  readonly weakness: string;
  readonly attempt: () => Promise<unknown>;
  readonly here: unknown;
}[] = [
  {
    weakness: "keys are stored as they are: whoever reads the file can present them",
    async attempt() {
      const { key, id, sha256 } = newApiKey("live");
      const record = {
        id,
        client: "reporting",
        audience: "https://ping.production.internal",
        scopes: [scope],
        secrets: [{ sha256 }],
      };
      const keys = parseApiKeys({ keys: [record] });
      const secret = key.expose().slice(-51, -8);
      const body = `sk-live-${id}-${sha256.slice(0, 43)}`;
      const forged = body + crc32(body).toString(16).padStart(8, "0");
      await using service = await start(API_KEY, [
        server.apiKey({ keys: { find: (wanted) => keys.get(wanted) }, audience: record.audience }),
      ]);
      const channels = await service.channels("stranger");
      const outcomes = [key.expose(), sha256, forged].map((value) =>
        ping(channels, { metadata: { "x-api-key": value } }),
      );
      return [JSON.stringify(record).includes(secret), ...(await Promise.all(outcomes))];
    },
    here: [false, "OK", "UNAUTHENTICATED CREDENTIAL_INVALID", "UNAUTHENTICATED CREDENTIAL_INVALID"],
  },
  {
    weakness: "strangers get 403, PERMISSION_DENIED, and members too",
    async attempt() {
      await using service = await start(API_KEY);
      const channels = await service.channels("stranger");
      const metadata = { "x-api-key": credentials.apiKeys.withoutScope };
      return [await ping(channels), await ping(channels, { metadata })];
    },
    here: ["UNAUTHENTICATED CREDENTIAL_MISSING", "PERMISSION_DENIED SCOPE_MISSING"],
  },
  {
    weakness: "a nonce is stored before the signature is checked: anybody can use up a victim's",
    async attempt() {
      await using service = await start(HMAC);
      const channels = await service.channels("stranger");
      const metadata = await presented();
      const forged = { ...metadata, "x-signature": "0".repeat(64) };
      return [await ping(channels, { metadata: forged }), await ping(channels, { metadata })];
    },
    here: ["UNAUTHENTICATED CREDENTIAL_INVALID", "OK"],
  },
  {
    weakness: "the set of nonces grows for ever, or forgets the oldest to make room",
    async attempt() {
      const sent: unknown[] = [];
      for (const bound of [
        { maxNonces: 3, maxNoncesPerKey: 9 },
        { maxNonces: 9, maxNoncesPerKey: 3 },
      ]) {
        const nonces = server.memoryNonceStore({ ...bound, now: () => Date.now() - 3_600_000 });
        await using service = await start(HMAC, credentials.verifiers(nonces));
        const channels = await service.channels("stranger");
        const first = await presented();
        const outcomes = [await ping(channels, { metadata: first })];
        for (let call = 0; call < 3; call += 1) outcomes.push(await ping(channels, { metadata: await presented() }));
        sent.push([...outcomes, await ping(channels, { metadata: first }), nonces.size]);
      }
      return sent;
    },
    here: [
      ["OK", "OK", "OK", "UNAVAILABLE CHECK_UNAVAILABLE", "UNAUTHENTICATED CREDENTIAL_REPLAYED", 3],
      ["OK", "OK", "OK", "RESOURCE_EXHAUSTED RATE_LIMITED", "UNAUTHENTICATED CREDENTIAL_REPLAYED", 3],
    ],
  },
  {
    weakness: "a timestamp may lie ahead as far as behind, so that a nonce is forgotten before its request is",
    async attempt() {
      await using service = await start(HMAC);
      const channels = await service.channels("stranger");
      const secondsAhead = [-290, 60, 290].map(async (seconds) =>
        ping(channels, { metadata: await presented(() => Date.now() + seconds * 1000) }),
      );
      return await Promise.all(secondsAhead);
    },
    here: ["OK", "UNAUTHENTICATED CREDENTIAL_EXPIRED", "UNAUTHENTICATED CREDENTIAL_EXPIRED"],
  },
  {
    weakness: "a JWKS client is made for each call, which asks the issuer each time",
    async attempt() {
      await using service = await start(BEARER);
      const token = ({ certificateThumbprint = "" } = {}) => credentials.token(certificateThumbprint);
      const channels = await service.channels("stranger");
      const connected = connect({ channels, credentials: [bearer({ tokens: { token } })] });
      const before = credentials.jwksRequests;
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => ping(connected)));
      return [new Set(outcomes), credentials.jwksRequests - before < 3];
    },
    here: [new Set(["OK"]), true],
  },
  {
    weakness: "any JWT of the issuer is an access token, whatever its type",
    async attempt() {
      await using service = await start(BEARER);
      const connected = async (typ: string | undefined) => {
        const token = ({ certificateThumbprint = "" } = {}) => credentials.token(certificateThumbprint, {}, { typ });
        return ping(
          connect({ channels: await service.channels("stranger"), credentials: [bearer({ tokens: { token } })] }),
        );
      };
      return await Promise.all([connected("at+jwt"), connected("JWT"), connected(undefined)]);
    },
    here: ["OK", "UNAUTHENTICATED CREDENTIAL_INVALID", "UNAUTHENTICATED CREDENTIAL_INVALID"],
  },
  {
    weakness: "the common name of a certificate says who calls",
    async attempt() {
      await using service = await start(MTLS);
      const named = (commonName: string, spiffeId: string) => ca.issue({ commonName, spiffeId });
      const outcomes = [
        await named("anything", idOf("order-service")),
        await named("order-service", stranger),
        await named(idOf("order-service"), stranger),
      ].map(async (material) => ping(await service.channels("", material)));
      return await Promise.all(outcomes);
    },
    here: ["OK", "PERMISSION_DENIED PEER_NOT_GRANTED", "PERMISSION_DENIED PEER_NOT_GRANTED"],
  },
  {
    weakness: "headers with which a proxy vouches for somebody are believed, whoever sends them",
    async attempt() {
      await using service = await start(MTLS);
      const metadata = {
        "x-client-cn": "order-service",
        "x-client-verify": "SUCCESS",
        "x-forwarded-client-cert": `URI=${idOf("order-service")}`,
        "x-forwarded-for": "127.0.0.1",
      };
      const outcomes = [
        await ping(await service.channels("stranger"), { metadata }),
        await ping(await service.channels("order-service"), { metadata }),
      ];
      return [...outcomes, service.seen.filter((key) => key in metadata)];
    },
    here: ["PERMISSION_DENIED PEER_NOT_GRANTED", "OK", []],
  },
];

test.each(weaknesses)("not here: $weakness", async ({ attempt, here }) => {
  expect(await attempt()).toEqual(here);
});
