import { create, type DescMessage, type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { identityFromMemory } from "@zero-trust/mtls";
import { type Attacker, attacker, createCa, type GrpcSession, PingService, type TestCa } from "@zero-trust/testkit";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hmac } from "../src/client.ts";
import { Credential, definePolicy, type Rule } from "../src/index.ts";
import { type Change, change, changed, credentialKeys } from "./fuzz-call/changes.ts";
import { rightOutcomes } from "./fuzz-call/model.ts";
import { scope, type TestCredentials, testCredentials } from "./generators/credentials.ts";
import { type GuardedService, startGuardedService } from "./generators/guarded-service.ts";
import { protobufEs } from "./generators/protobuf-es.ts";
import { idOf } from "./ping-server.ts";
import { type RawCall, rawCall } from "./raw-call.ts";

// It prints a value that it does not take, of which there are many here.
setLogVerbosity(logVerbosity.NONE);

const seconds = Number(process.env["ZT_FUZZ_SECONDS"] ?? 10);
const seed = Number(process.env["ZT_FUZZ_SEED"] ?? Date.now() % 2 ** 31);
/** What a failure prints besides its seed: with both it is made again, as small as it was found. */
const path = process.env["ZT_FUZZ_PATH"];

const { MTLS, API_KEY, BEARER, HMAC } = Credential;
/** What the servers take, each credential by itself. */
const taken: readonly (readonly Credential[])[] = [[MTLS], [API_KEY], [BEARER], [HMAC], [MTLS, API_KEY, BEARER, HMAC]];

/** Good requests of each method. */
const sent = {
  ping: [{ text: "hello" }],
  pingMany: [{ text: "a", count: 2 }],
  pingSum: [{ value: 7 }, { value: -9 }],
  pingEach: [{ text: "a" }, { text: "b" }],
} as const;
type Method = keyof typeof sent;

/** What a call is made of, before anything is done to it. */
const plan = fc.record({
  server: fc.nat(taken.length - 1),
  method: fc.constantFrom(...(Object.keys(sent) as Method[])),
  granted: fc.boolean(),
  key: fc.constantFrom("none" as const, "api key" as const, "signature" as const),
  token: fc.boolean(),
  changes: fc.array(change, { maxLength: 3 }),
});
type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;

describe("any call, with anything done to it,", () => {
  let ca: TestCa;
  let credentials: TestCredentials;
  const services: GuardedService[] = [];
  const callers = new Map<boolean, { readonly tls: { cert: string; key: string }; readonly thumbprint: string }>();
  const attackers: Attacker[] = [];
  const sessions = new Map<string, GrpcSession>();

  beforeAll(async () => {
    ca = await createCa();
    credentials = await testCredentials(ca);
    const { ping } = protobufEs();
    for (const credentialsTaken of taken) {
      const rules = PingService.methods.map(({ localName, methodKind }): [string, Rule[]] => [
        localName,
        rulesOf(credentialsTaken, methodKind),
      ]);
      const policies = [definePolicy(ping, Object.fromEntries(rules))];
      const options = { policies, grants: credentials.grants, credentials: credentials.verifiers() };
      services.push(await startGuardedService(ca, [ping], options));
    }
    for (const granted of [true, false]) {
      const tls = await ca.issue({ spiffeId: idOf(granted ? "order-service" : "stranger") });
      callers.set(granted, { tls, thumbprint: identityFromMemory(tls).thumbprint });
    }
  });
  afterAll(async () => {
    for (const each of attackers) each.close();
    await Promise.all(services.map((service) => service[Symbol.asyncDispose]()));
    await credentials[Symbol.asyncDispose]();
  });

  /** A connection to a server, opened again where the server had enough of it. */
  async function sessionOf(server: number, granted: boolean): Promise<GrpcSession> {
    const name = `${server} ${granted}`;
    const known = sessions.get(name);
    if (known !== undefined) return known;
    const tls = callers.get(granted)?.tls;
    const attack = attacker({
      host: "127.0.0.1",
      port: services[server]?.port ?? 0,
      ...(tls === undefined ? {} : { tls }),
    });
    attackers.push(attack);
    const session = await attack.session();
    sessions.set(name, session);
    void session.closed.then(() => sessions.delete(name));
    return session;
  }

  async function make({ method, granted, key, token }: Plan): Promise<RawCall> {
    const { input, parent, name } = PingService.method[method];
    const path = `/${parent.typeName}/${name}`;
    const messages = sent[method].map((init) => toBinary<DescMessage>(input, create<DescMessage>(input, init)));
    const headers: [string, string][] = [];
    if (token)
      headers.push(["authorization", `Bearer ${await credentials.token(callers.get(granted)?.thumbprint ?? "")}`]);
    if (key === "api key") headers.push(["x-api-key", credentials.apiKeys.good]);
    if (key === "signature") {
      const { id: keyId, secret } = credentials.signingKeys.good;
      const presented = await hmac({ keyId, secret }).present({
        path,
        message: async () => messages[0] ?? Buffer.alloc(0),
      });
      headers.push(...Object.entries(presented));
    }
    return { path, headers, messages };
  }

  const decodes = (method: Method, { messages }: RawCall): boolean => {
    try {
      for (const message of messages)
        fromBinary<DescMessage>(PingService.method[method].input, new Uint8Array(message));
      return true;
    } catch {
      return false;
    }
  };

  /** Makes a call and does to it what is planned; what became of it, and what had to. */
  async function run(planned: Plan) {
    const { server, method, granted, changes } = planned;
    const made = await make(planned);
    const call = changes.reduce<RawCall>((before, one: Change) => changed(before, one), made);
    const rules = rulesOf(taken[server] ?? [], PingService.method[method].methodKind).flatMap(
      (rule) => rule.credentials,
    );
    const right = rightOutcomes({ rules, granted, made, sent: call, decodes: decodes(method, call) });
    const { handled = [], events = [] } = services[server] ?? {};
    handled.length = 0;
    events.length = 0;
    const session = await sessionOf(server, granted);
    const end = await rawCall(session, call);
    const again = async () => (await rawCall(session, call)).outcome;
    const decision = events.find((event) => event.outcome === "allowed" || event.outcome === "refused")?.outcome;
    return { ...end, right, call, again, rules, decision, handled: [...handled] };
  }

  test("is let in, or refused with code and reason, as the model says", {
    timeout: seconds * 1000 + 120_000,
  }, async () => {
    console.log(`Fuzzing calls for ${seconds} s with ZT_FUZZ_SEED=${seed}`);
    const counts = new Map<string, number>();
    const property = fc.asyncProperty(plan, async (planned) => {
      const { outcome, text, right, call, again, rules, decision, handled } = await run(planned);
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      const letIn = outcome === "OK" || outcome === "INTERNAL";
      const signed = outcome === "OK" && rules.join() === String(HMAC);
      expect({
        call,
        outcome,
        // A stream of requests may have begun before the message that is none.
        handled: outcome === "INTERNAL" ? 0 : handled.length,
        seenByHandler: handled
          .flatMap(({ metadataKeys }) => metadataKeys)
          .filter((key) => credentialKeys.includes(key)),
        textOfFailure: outcome === "INTERNAL" ? text : "",
        decision,
        again: signed ? await again() : replayed,
      }).toEqual({
        call,
        outcome: expect.toBeOneOf([...right]),
        handled: outcome === "OK" ? 1 : 0,
        seenByHandler: [],
        textOfFailure: "",
        decision: letIn ? "allowed" : "refused",
        again: replayed,
      });
    });
    await fc.assert(property, {
      seed,
      ...(path === undefined ? {} : { path }),
      numRuns: Number.MAX_SAFE_INTEGER,
      plugins: [fc.interruptAfterTimeLimit(seconds * 1000)],
    });
    console.log([...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", "));
    expect([...counts.keys()]).toContain("OK");
  });
});

const replayed = "UNAUTHENTICATED CREDENTIAL_REPLAYED";

function rulesOf(credentialsTaken: readonly Credential[], kind: DescMethod["methodKind"]): Rule[] {
  const streams = kind === "client_streaming" || kind === "bidi_streaming";
  // No signature covers a stream of requests, which takes a token in its place.
  const possible = new Set(credentialsTaken.map((each) => (streams && each === HMAC ? BEARER : each)));
  return [...possible].map((credential) => ({ credentials: [credential], scopes: [scope] }));
}
