import { X509Certificate } from "node:crypto";
import { Metadata, type ServerInterceptingCallInterface, type StatusObject, status } from "@grpc/grpc-js";
import { createCa } from "@zero-trust/testkit";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Attempt } from "./attempt.ts";
import type { DecisionEvent } from "./decision-event.ts";
import type { Guard } from "./gate.ts";
import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { Limiter } from "./limits/limiter.ts";
import { OpenCalls } from "./open-calls.ts";
import { reasonOf } from "./refusal.ts";
import type { MetadataVerifier, PendingSignature, SignatureVerifier, Verification } from "./verifier.ts";

const { MTLS, BEARER, HMAC } = Credential;
const ca = await createCa();
const spiffeId = "spiffe://production.internal/order-service";
const { raw } = new X509Certificate((await ca.issue({ spiffeId })).cert);
const scopes = new Set(["read:test"]);
const verified = { verdict: "verified", client: "order-service", scopes } as const;
const message = Buffer.from("message");
type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];

/** A call on a wire of the test's own, so that everything can happen at the worst time. */
function begin(credential: Credential, verifier: unknown, changes: Partial<Guard["options"]> = {}) {
  const heard: string[] = [];
  const events: DecisionEvent[] = [];
  const answers: Partial<StatusObject>[] = [];
  let wireListener: Listener | undefined;
  const wire = {
    start: (listener: Listener) => {
      wireListener = listener;
    },
    startRead: () => undefined,
    sendStatus: (answer: Partial<StatusObject>) => void answers.push(answer),
    getAuthContext: () => ({ sslPeerCertificate: { raw } }),
    getConnectionInfo: () => ({}),
  } as unknown as ServerInterceptingCallInterface;
  const granted = new Map([[spiffeId, { client: "order-service", scopes }]]);
  let grants = granted;
  const options = {
    trustDomain: "production.internal",
    grants: { current: () => grants },
    credentials: (verifier === undefined ? [] : [verifier]) as unknown as Guard["options"]["credentials"],
    onDecision: (event: DecisionEvent) => void events.push(event),
    ...changes,
  };
  const open = new OpenCalls(Date.now, () => grants);
  const guard = {
    options,
    limiter: new Limiter(options.limits),
    open,
    hiddenKeys: [],
    timeoutMs: 1_000,
    isShadow: false,
  };
  const rules = [{ credentials: [credential], scopes: ["read:test"] }];
  const policy = { path: "/a.A/A", requestStream: false, hasSideEffects: true, rules };
  const { call } = new Attempt(guard, { path: policy.path, policy, named: new Set([credential]) }, wire);
  const handler = {
    onReceiveMetadata: () => void heard.push("metadata"),
    onReceiveMessage: () => void heard.push("message"),
    onReceiveHalfClose: () => void heard.push("half-close"),
    onCancel: () => void heard.push("cancel"),
  };
  call.start(handler);
  if (wireListener === undefined) throw new Error("the call was not started");
  return {
    listener: wireListener,
    handler,
    heard,
    events,
    answers,
    open,
    withdrawGrants() {
      grants = new Map();
    },
    giveGrants() {
      grants = granted;
    },
    get outcomes() {
      return events.map((event) => event.outcome);
    },
    get reasons() {
      return answers.map((answer) => reasonOf({ metadata: answer.metadata ?? undefined }) ?? status[answer.code ?? 0]);
    },
  };
}

const token = (verify: () => Promise<unknown>): MetadataVerifier => ({
  credential: BEARER,
  metadataKeys: [],
  isPresented: () => true,
  verify: verify as () => Promise<Verification>,
});
const signature = (pending: Partial<PendingSignature>): SignatureVerifier => ({
  credential: HMAC,
  metadataKeys: [],
  isPresented: () => true,
  open: async () => ({
    finding: { verdict: "pending" },
    signature: { check: () => verified, claim: async () => undefined, ...pending },
  }),
});
const settled = () => new Promise(setImmediate);

afterEach(() => {
  vi.useRealTimers();
});

test("a call is not judged again by a round that began before it: what it was let in by may be newer", async () => {
  vi.useFakeTimers({ toFake: ["setInterval"] });
  const call = begin(MTLS, undefined);
  call.withdrawGrants();
  // More than are judged in one go: the call begins while others are still to be judged.
  for (let index = 0; index < 300; index += 1) {
    call.open.add({
      recheck: () => {
        if (index > 0 || call.heard.length > 0) return;
        call.giveGrants();
        call.listener.onReceiveMetadata(new Metadata());
      },
    });
  }
  vi.advanceTimersByTime(1_000);
  await settled();
  await settled();
  expect([call.heard, call.outcomes]).toEqual([["metadata"], ["allowed"]]);
  call.withdrawGrants();
  vi.advanceTimersByTime(1_000);
  await settled();
  await settled();
  expect(call.outcomes).toEqual(["allowed", "ended"]);
});

test("what comes while a call is judged is handed on when it is let in, in the order of a call", async () => {
  const answer = Promise.withResolvers<Verification>();
  const call = begin(
    BEARER,
    token(() => answer.promise),
  );
  call.listener.onReceiveMetadata(new Metadata());
  call.listener.onReceiveHalfClose();
  expect(call.heard).toEqual([]);
  answer.resolve({ finding: verified });
  await settled();
  expect(call.heard).toEqual(["metadata", "half-close"]);
});

describe("a call that is cancelled", () => {
  test("while a verifier is asked: its handler hears of the end alone", async () => {
    const answer = Promise.withResolvers<Verification>();
    const call = begin(
      BEARER,
      token(() => answer.promise),
    );
    call.listener.onReceiveMetadata(new Metadata());
    call.listener.onCancel();
    answer.resolve({ finding: verified });
    await settled();
    expect([call.heard, call.outcomes, call.answers, call.open.size]).toEqual([["cancel"], ["abandoned"], [], 0]);
  });
  test("while its nonce is claimed", async () => {
    const claimed = Promise.withResolvers<undefined>();
    const call = begin(HMAC, signature({ claim: () => claimed.promise }));
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    call.listener.onReceiveMessage(message);
    call.listener.onCancel();
    claimed.resolve(undefined);
    await settled();
    expect([call.heard, call.outcomes, call.open.size]).toEqual([["cancel"], ["abandoned"], 0]);
  });
  test("while its decision is logged", async () => {
    const logged = Promise.withResolvers<void>();
    const outcomes: string[] = [];
    const onDecision = ({ outcome }: DecisionEvent) => {
      outcomes.push(outcome);
      return logged.promise;
    };
    const call = begin(MTLS, undefined, { onDecision });
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    call.listener.onCancel();
    logged.resolve();
    await settled();
    expect([call.heard, outcomes, call.open.size]).toEqual([["cancel"], ["allowed", "abandoned"], 0]);
  });
  test("while the log that failed is waited for: it is not refused on top", async () => {
    const logged = Promise.withResolvers<void>();
    const call = begin(MTLS, undefined, { onDecision: () => logged.promise });
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    call.listener.onCancel();
    logged.reject(new Error("disk full"));
    await settled();
    expect([call.heard, call.answers]).toEqual([["cancel"], []]);
  });
  test("when it has been let in: nobody judges it again", async () => {
    const call = begin(MTLS, undefined);
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    expect([call.heard, call.open.size]).toEqual([["metadata"], 1]);
    call.listener.onCancel();
    expect([call.open.size, call.outcomes]).toEqual([0, ["allowed"]]);
  });
});

describe("a message", () => {
  test("that comes after a refusal reaches nobody, nor does its end", async () => {
    const call = begin(
      HMAC,
      signature({ check: () => ({ verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause: "" }) }),
    );
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    call.listener.onReceiveMessage(message);
    await settled();
    call.listener.onReceiveMessage(message);
    call.listener.onReceiveHalfClose();
    await settled();
    expect([call.heard, call.reasons]).toEqual([[], ["CREDENTIAL_INVALID"]]);
  });
  test("that comes while the first one is judged reaches nobody", async () => {
    const claimed = Promise.withResolvers<undefined>();
    const call = begin(HMAC, signature({ claim: () => claimed.promise }));
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    call.listener.onReceiveMessage(message);
    call.listener.onReceiveMessage(message);
    await settled();
    expect(call.heard).toEqual([]);
    claimed.resolve(undefined);
    await settled();
    expect(call.heard).toEqual(["metadata", "message"]);
  });
  test("that does not come is refused once, and does not come late either", async () => {
    const call = begin(HMAC, signature({}));
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    call.listener.onReceiveHalfClose();
    call.listener.onReceiveHalfClose();
    await settled();
    call.listener.onReceiveHalfClose();
    call.listener.onReceiveMessage(message);
    await settled();
    expect([call.heard, call.reasons]).toEqual([[], ["CREDENTIAL_INVALID"]]);
  });
  test("that comes long after its signature was checked is refused", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const call = begin(HMAC, signature({}));
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    vi.advanceTimersByTime(30_001);
    call.listener.onReceiveMessage(message);
    await settled();
    expect([call.heard, call.reasons]).toEqual([[], ["CREDENTIAL_EXPIRED"]]);
  });
  test("that comes after its call was ended reaches nobody", async () => {
    vi.useFakeTimers({ toFake: ["setInterval"] });
    const call = begin(MTLS, undefined);
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    call.withdrawGrants();
    vi.advanceTimersByTime(1_000);
    call.listener.onReceiveMessage(message);
    call.listener.onReceiveHalfClose();
    await settled();
    expect([call.heard, call.reasons, call.open.size]).toEqual([["metadata", "cancel"], ["PEER_NOT_GRANTED"], 0]);
    call.listener.onCancel();
    expect(call.outcomes).toEqual(["allowed", "ended"]);
  });
});

describe("a verifier that answers nonsense refuses the call", () => {
  const nonsense: [string, Credential, unknown][] = [
    [
      "pending, without a signature",
      HMAC,
      { ...signature({}), open: async () => ({ finding: { verdict: "pending" } }) },
    ],
    [
      "pending, with half a signature",
      HMAC,
      {
        ...signature({}),
        open: async () => ({ finding: { verdict: "pending" }, signature: { check: () => verified } }),
      },
    ],
    [
      "pending, where there are no signatures",
      BEARER,
      token(async () => ({ finding: { verdict: "pending" }, signature: {} })),
    ],
    ["a check that goes on pending", HMAC, signature({ check: () => ({ verdict: "pending" }) })],
    ["a check that promises", HMAC, signature({ check: (async () => verified) as never })],
    ["a claim that is a finding of its own", HMAC, signature({ claim: async () => verified })],
    ["a claim that is nothing", HMAC, signature({ claim: async () => null as never })],
    ["an unknown verdict", BEARER, token(async () => ({ finding: { ...verified, verdict: "ok" } }))],
    ["no finding", BEARER, token(async () => ({ ...verified }))],
    ["nothing", BEARER, token(async () => undefined)],
    ["a client that is none", BEARER, token(async () => ({ finding: { ...verified, client: "Order Service" } }))],
    ["scopes that are no set", BEARER, token(async () => ({ finding: { ...verified, scopes: ["read:test"] } }))],
    [
      "scopes that are a map",
      BEARER,
      token(async () => ({ finding: { ...verified, scopes: new Map([["read:test", true]]) } })),
    ],
    ["an id that is no text", BEARER, token(async () => ({ finding: verified, id: 7 }))],
    ["a recheck that is none", BEARER, token(async () => ({ finding: verified, recheck: true }))],
    [
      "what throws when it is read",
      BEARER,
      token(async () => ({
        get finding(): never {
          throw new Error("no");
        },
      })),
    ],
  ];
  test.each(nonsense)("%s", async (_name, credential, verifier) => {
    const call = begin(credential, verifier);
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    call.listener.onReceiveMessage(message);
    await settled();
    expect(call.heard).toEqual([]);
    expect([call.reasons, call.outcomes]).toEqual([["CHECK_UNAVAILABLE"], ["refused"]]);
  });
});

describe("a handler that throws", () => {
  test("when it gets the metadata: INTERNAL, once", async () => {
    const call = begin(MTLS, undefined);
    call.handler.onReceiveMetadata = () => {
      throw new Error("a defect");
    };
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    expect([call.reasons, call.outcomes, call.open.size]).toEqual([["INTERNAL"], ["allowed", "failed"], 0]);
  });
  test("when it hears that its call was ended: the others are judged all the same", async () => {
    vi.useFakeTimers({ toFake: ["setInterval"] });
    const call = begin(MTLS, undefined);
    call.handler.onCancel = () => {
      throw new Error("a defect");
    };
    call.listener.onReceiveMetadata(new Metadata());
    await settled();
    let isJudged = false;
    call.open.add({
      recheck: () => {
        isJudged = true;
      },
    });
    call.withdrawGrants();
    vi.advanceTimersByTime(1_000);
    expect([isJudged, call.reasons, call.outcomes]).toEqual([
      true,
      ["PEER_NOT_GRANTED"],
      ["allowed", "failed", "ended"],
    ]);
  });
});
