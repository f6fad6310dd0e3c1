import { compressionAlgorithms } from "@grpc/grpc-js";
import { identityFromMemory, type MutualTlsChannelsOptions, mutualTlsChannels } from "@zero-trust/mtls";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, hmac } from "../../src/client.ts";
import { Credential, definePolicy, type Rule } from "../../src/index.ts";
import type { AttemptFacts, Presenter } from "../../src/presenter.ts";
import { idOf } from "../ping-server.ts";
import { call, methodOf, pingCalls } from "./calls.ts";
import { methods, showing } from "./cases.ts";
import { scope, type TestCredentials, testCredentials } from "./credentials.ts";
import { type Fields, type Generator, labelPath } from "./generator.ts";
import { type GuardedService, startGuardedService } from "./guarded-service.ts";
import { handWritten } from "./hand-written.ts";
import { protoLoader } from "./proto-loader.ts";
import { protobufEs } from "./protobuf-es.ts";
import { tsProto } from "./ts-proto.ts";

const generators: readonly Generator[] = [protobufEs(), protoLoader(), handWritten(), await tsProto()];
const credentialKeys = ["x-api-key", "authorization", "x-timestamp", "x-nonce", "x-signature"];
const isCredential = (key: string) => credentialKeys.includes(key);

let ca: TestCa;
let credentials: TestCredentials;
beforeAll(async () => {
  ca = await createCa();
  credentials = await testCredentials(ca);
});
afterAll(() => credentials[Symbol.asyncDispose]());

/** A policy that takes one credential; a stream of requests, which no signature covers, takes a token instead. */
function policiesOf({ ping: service, labels }: Generator, credential: Credential) {
  return [service, labels].map((definition) => {
    const rules = Object.entries(definition).map(([name, { requestStream }]): [string, Rule[]] => {
      const needed = requestStream && credential === Credential.HMAC ? Credential.BEARER : credential;
      return [name, [{ credentials: [needed], scopes: [scope] }]];
    });
    return definePolicy(definition, Object.fromEntries(rules));
  });
}

const start = (generator: Generator, credential: Credential) =>
  startGuardedService(ca, [generator.ping, generator.labels], {
    policies: policiesOf(generator, credential),
    grants: credentials.grants,
    credentials: credentials.verifiers(),
  });

async function channelsOf(
  { target }: GuardedService,
  spiffeId = idOf("anybody"),
  channelOptions: NonNullable<MutualTlsChannelsOptions["channelOptions"]> = {},
) {
  const identity = identityFromMemory(await ca.issue({ spiffeId }));
  return mutualTlsChannels({ identity, target, serverId: idOf("ping-service"), channelOptions });
}

/** As they are compared: what a generator adds to a message does not matter, nor how it writes 64 bits. */
function plain(expected: readonly Fields[], got: readonly Fields[]): readonly Fields[] {
  return got.map((fields, index) => {
    const keys = Object.keys(expected[index] ?? {}) as (keyof Fields)[];
    const values = keys.map((key) => [key, key === "sum" ? Number(fields[key]) : fields[key]]);
    return Object.fromEntries(values) as Fields;
  });
}

describe.each(generators)("a service and a client made with $name", (generator) => {
  describe.each(methods)("$name", ({ credential, cases }) => {
    let service: GuardedService;
    beforeAll(async () => {
      service = await start(generator, credential);
    });
    afterAll(() => service[Symbol.asyncDispose]());

    const ours = pingCalls.filter(({ signable }) => signable || credential !== Credential.HMAC);
    describe.each(ours)("$kind", ({ method, requests, answers }) => {
      test.each(cases)("$who: $expected", async ({ spiffeId, shows, expected, client }) => {
        service.handled.length = 0;
        const decoded = service.decoded;
        const channels = await channelsOf(service, spiffeId);
        const connected = connect({ channels, credentials: shows?.(credentials) ?? [] });
        const ended = await call(connected, methodOf(generator.ping, method), requests);
        channels.close();
        expect(ended.outcome).toBe(expected);
        expect(plain(answers, ended.answers)).toEqual(expected === "OK" ? answers : []);
        expect(service.handled.map(({ identity }) => identity)).toEqual(
          expected === "OK" ? [{ client, spiffeId: spiffeId ?? idOf("anybody"), scopes: [scope] }] : [],
        );
        expect(service.handled.flatMap(({ metadataKeys }) => metadataKeys).filter(isCredential)).toEqual([]);
        expect(service.decoded - decoded).toBe(expected === "OK" ? requests.length : 0);
      });
    });
  });

  describe("a signature", () => {
    let service: GuardedService;
    beforeAll(async () => {
      service = await start(generator, Credential.HMAC);
    });
    afterAll(() => service[Symbol.asyncDispose]());

    test.each(generator.unusual)("covers the bytes that were sent: $what", async ({ path, bytes, means }) => {
      service.handled.length = 0;
      const method = methodOf(path === labelPath ? generator.labels : generator.ping, path.split("/")[2] ?? "");
      const rewritten = method.requestSerialize(method.requestDeserialize(bytes));
      expect(rewritten).not.toEqual(bytes);
      const channels = await channelsOf(service);
      const { id: keyId, secret } = credentials.signingKeys.good;
      const signer = hmac({ keyId, secret });
      const send = (signed: (real: AttemptFacts) => AttemptFacts) => {
        const presenter = showing(signer, (real) => signer.present(signed(real)));
        return call(connect({ channels, credentials: [presenter] }), { ...method, requestSerialize: () => bytes }, [
          {},
        ]);
      };
      // As a server that writes again what it has read would want it.
      const refused = await send((real) => ({ ...real, message: async () => rewritten }));
      expect(refused.outcome).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
      expect(service.handled).toEqual([]);
      const served = await send((real) => real);
      channels.close();
      expect(served.outcome).toBe("OK");
      expect(service.handled).toMatchObject([{ path, requests: [means] }]);
    });

    test("lets the same call in once", async () => {
      service.handled.length = 0;
      const channels = await channelsOf(service);
      const { id: keyId, secret } = credentials.signingKeys.good;
      const signer = hmac({ keyId, secret });
      let first: ReturnType<Presenter["present"]> | undefined;
      const recorded = showing(signer, (real) => (first ??= signer.present(real)));
      const connected = connect({ channels, credentials: [recorded] });
      const outcomes: string[] = [];
      for (let copy = 0; copy < 2; copy += 1) {
        outcomes.push((await call(connected, methodOf(generator.ping, "Ping"), [{ text: "a" }])).outcome);
      }
      channels.close();
      expect(outcomes).toEqual(["OK", "UNAUTHENTICATED CREDENTIAL_REPLAYED"]);
      expect(service.handled).toHaveLength(1);
    });

    test.each(pingCalls.filter(({ signable }) => !signable))("is no way into a $kind call", async (ours) => {
      service.handled.length = 0;
      const channels = await channelsOf(service);
      const { id: keyId, secret } = credentials.signingKeys.good;
      const connected = connect({ channels, credentials: [hmac({ keyId, secret })] });
      const { outcome } = await call(connected, methodOf(generator.ping, ours.method), ours.requests);
      channels.close();
      expect(outcome).toBe("UNAUTHENTICATED CREDENTIAL_MISSING");
      expect(service.handled).toEqual([]);
    });

    test("covers the message before the client's library compresses it", async () => {
      const channels = await channelsOf(service, idOf("anybody"), {
        "grpc.default_compression_algorithm": compressionAlgorithms.gzip,
      });
      const { id: keyId, secret } = credentials.signingKeys.good;
      const connected = connect({ channels, credentials: [hmac({ keyId, secret })] });
      const before = service.bytesReceived;
      const text = "long ".repeat(20_000);
      const { outcome, answers } = await call(connected, methodOf(generator.ping, "Ping"), [{ text }]);
      channels.close();
      expect(outcome).toBe("OK");
      expect(answers.map((answer) => answer.text)).toEqual([text]);
      expect(service.bytesReceived - before).toBeLessThan(text.length / 2);
    });
  });
});
