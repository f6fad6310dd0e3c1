import { once } from "node:events";
import { Metadata, type StatusObject, status } from "@grpc/grpc-js";
import { identityFromMemory, mutualTlsChannels } from "@zero-trust/mtls";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  type AttemptFacts,
  type AuthenticatedChannels,
  connect,
  type PresentedRefusal,
  type Presenter,
} from "../src/client.ts";
import { Credential, Reason } from "../src/index.ts";
import { refusal } from "../src/refusal.ts";
import { clientOf } from "./ping-client.ts";
import { idOf } from "./ping-server.ts";
import { type Script, scriptedPath, startScriptedServer } from "./scripted-server.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
afterEach(() => {
  vi.restoreAllMocks();
});

const serverMs = 1_795_000_000_000;
const hello = Buffer.from("hello");
const bytes = (value: Buffer): Buffer => value;
const inTime = () => ({ deadline: Date.now() + 10_000 });

/** Presents `x-api-key: 1`, `2`, …, and claims to have mended whatever it hears of. */
function counting(refused: (refusal: PresentedRefusal) => boolean = () => true) {
  const heard: PresentedRefusal[] = [];
  const presented: AttemptFacts[] = [];
  const presenter: Presenter = {
    credential: Credential.API_KEY,
    metadataKeys: ["x-api-key"],
    async present(attempt) {
      presented.push(attempt);
      return { "x-api-key": String(presented.length) };
    },
    refused(refusal) {
      heard.push(refusal);
      return refused(refusal);
    },
  };
  return { presenter, heard, presented };
}

/** A server whose unary method answers with each of these in turn, and then with what it was sent. */
const refusing = (...answers: readonly StatusObject[]) => {
  const left = [...answers];
  const next = () => left.shift();
  return startScriptedServer(ca, {
    unary: (call, answer) => {
      const refused = next();
      if (refused === undefined) answer(null, call.request);
      else answer(refused);
    },
    serverStream: (call) => {
      const refused = next();
      if (refused !== undefined) {
        call.emit("error", refused);
        return;
      }
      call.write(call.request);
      call.write(call.request);
      call.end();
    },
  });
};
const invalid = refusal(Reason.CREDENTIAL_INVALID, serverMs);

interface Outcome {
  readonly code: status;
  readonly texts: readonly string[];
}

const calls = {
  unary: (channels: AuthenticatedChannels, metadata = new Metadata()) => {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    clientOf(channels).makeUnaryRequest(
      scriptedPath("unary"),
      bytes,
      bytes,
      hello,
      metadata,
      inTime(),
      (error, answer) => resolve({ code: error?.code ?? status.OK, texts: [answer ?? []].flat().map(String) }),
    );
    return promise;
  },
  serverStream: (channels: AuthenticatedChannels, metadata = new Metadata()) => {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const texts: string[] = [];
    const path = scriptedPath("serverStream");
    clientOf(channels)
      .makeServerStreamRequest(path, bytes, bytes, hello, metadata, inTime())
      .on("data", (answer: Buffer) => texts.push(String(answer)))
      .on("error", () => undefined)
      .on("status", ({ code }: StatusObject) => resolve({ code, texts }));
    return promise;
  },
};
const keysOf = (attempts: readonly Metadata[]) => attempts.map((metadata) => metadata.get("x-api-key")[0]);

describe("a call that is refused for its credential", () => {
  test.each([
    ["unary", Reason.CREDENTIAL_INVALID, ["hello"]],
    ["unary", Reason.CREDENTIAL_EXPIRED, ["hello"]],
    ["serverStream", Reason.CREDENTIAL_INVALID, ["hello", "hello"]],
    ["serverStream", Reason.CREDENTIAL_EXPIRED, ["hello", "hello"]],
  ] as const)("is made once more when that has been mended: %s", async (kind, reason, texts) => {
    await using server = await refusing(refusal(reason, serverMs));
    const { presenter, heard } = counting();
    const metadata = new Metadata();
    metadata.set("x-request-id", "7");
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    expect(await calls[kind](channels, metadata)).toEqual({ code: status.OK, texts });
    expect(keysOf(server.attempts)).toEqual(["1", "2"]);
    expect(server.attempts.map((attempt) => attempt.get("x-request-id"))).toEqual([["7"], ["7"]]);
    const serverTimeSeconds = reason === Reason.CREDENTIAL_EXPIRED ? serverMs / 1000 : undefined;
    expect(heard).toEqual([{ reason: expect.any(String), serverTimeSeconds, presented: { "x-api-key": "1" } }]);
  });
  test.each(["unary", "serverStream"] as const)(
    "is made twice at most, and the second outcome is told: %s",
    async (kind) => {
      const second = refusal(Reason.CREDENTIAL_EXPIRED, serverMs);
      await using server = await refusing(invalid, second, invalid);
      const { presenter, heard } = counting();
      const channels = connect({ channels: await server.channels(), credentials: [presenter] });
      expect(await calls[kind](channels)).toEqual({ code: status.UNAUTHENTICATED, texts: [] });
      expect(keysOf(server.attempts)).toEqual(["1", "2"]);
      expect(heard.map(({ reason }) => reason)).toEqual(["CREDENTIAL_INVALID", "CREDENTIAL_EXPIRED"]);
    },
  );
  const bare = { code: status.UNAUTHENTICATED, details: "who?", metadata: new Metadata() };
  test.each([
    ["by a server that gives no reason", bare, undefined],
    ["after it was let in", refusal(Reason.CREDENTIAL_EXPIRED, serverMs, { ended: true }), "CREDENTIAL_EXPIRED"],
    ["as a replay", refusal(Reason.CREDENTIAL_REPLAYED, serverMs), "CREDENTIAL_REPLAYED"],
    ["for its certificate", refusal(Reason.PEER_INVALID, serverMs), "PEER_INVALID"],
    ["without a credential", refusal(Reason.CREDENTIAL_MISSING, serverMs), "CREDENTIAL_MISSING"],
    ["for credentials of two clients", refusal(Reason.CLIENT_MISMATCH, serverMs), "CLIENT_MISMATCH"],
  ])("is made once when it is refused %s, and the presenters hear of it", async (_how, answer, reason) => {
    await using server = await refusing(answer);
    const { presenter, heard } = counting();
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    expect(await calls.unary(channels)).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(heard).toMatchObject([{ reason }]);
    expect(server.attempts).toHaveLength(1);
  });
  test.each([
    ["has nothing else to present", () => false],
    [
      "throws",
      () => {
        throw new Error("a presenter's defect");
      },
    ],
  ])("is made once where the presenter %s", async (_how, refused) => {
    await using server = await refusing(invalid);
    const { presenter } = counting(refused);
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    expect(await calls.unary(channels)).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(server.attempts).toHaveLength(1);
  });
  test.each([status.PERMISSION_DENIED, status.UNAVAILABLE])(
    "is made once for status %s, whatever the details say",
    async (code) => {
      await using server = await refusing({ ...invalid, code });
      const { presenter, heard } = counting();
      const channels = connect({ channels: await server.channels(), credentials: [presenter] });
      expect(await calls.unary(channels)).toMatchObject({ code });
      expect(heard).toEqual([]);
      expect(server.attempts).toHaveLength(1);
    },
  );
  test("is made once where something has come back", async () => {
    const afterHeaders: Script = {
      unary: (call, answer) => {
        call.sendMetadata(new Metadata());
        answer(invalid);
      },
      serverStream: (call) => {
        call.write(hello);
        call.emit("error", invalid);
      },
    };
    await using server = await startScriptedServer(ca, afterHeaders);
    const { presenter } = counting();
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    expect(await calls.unary(channels)).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await calls.serverStream(channels)).toEqual({ code: status.UNAUTHENTICATED, texts: ["hello"] });
    expect(server.attempts).toHaveLength(2);
  });
  test("knows what was presented last, when grpc-js itself had tried again", async () => {
    await using server = await refusing({ ...invalid, code: status.UNAVAILABLE }, invalid);
    const { presenter, heard } = counting();
    const retryPolicy = { maxAttempts: 3, initialBackoff: "0.01s", maxBackoff: "0.01s", backoffMultiplier: 1 };
    const methodConfig = [{ name: [{}], retryPolicy: { ...retryPolicy, retryableStatusCodes: ["UNAVAILABLE"] } }];
    const channels = connect({
      channels: await server.channels({ "grpc.service_config": JSON.stringify({ methodConfig }) }),
      credentials: [presenter],
    });
    expect(await calls.unary(channels)).toEqual({ code: status.OK, texts: ["hello"] });
    expect(keysOf(server.attempts)).toEqual(["1", "2", "3"]);
    expect(heard).toMatchObject([{ presented: { "x-api-key": "2" } }]);
  });
  test("is made once more with the certificate that has come meanwhile", async () => {
    await using server = await refusing(invalid);
    const next = await ca.issue({ spiffeId: idOf("order-service") });
    // Of what was trusted something no longer is, so the former one is not used again.
    const former = await ca.issue({ spiffeId: idOf("order-service") });
    const identity = identityFromMemory({ ...former, ca: former.ca + (await createCa({ name: "Gone" })).ca });
    const before = identity.thumbprint;
    const { presenter, presented } = counting(() => {
      identity.replace(next);
      return true;
    });
    const channels = mutualTlsChannels({ identity, target: server.target, serverId: idOf("ping-service") });
    expect(await calls.unary(connect({ channels, credentials: [presenter] }))).toMatchObject({ code: status.OK });
    channels.close();
    expect(identity.thumbprint).not.toBe(before);
    expect(presented.map((facts) => facts.certificateThumbprint)).toEqual([before, identity.thumbprint]);
  });
  test("is refused, and nothing worse, where its channels were closed meanwhile", async () => {
    await using server = await refusing(invalid);
    const channels = await server.channels();
    const { presenter } = counting(() => {
      channels.close();
      return true;
    });
    const authenticated = connect({ channels, credentials: [presenter] });
    expect(await calls.unary(authenticated)).toMatchObject({ code: status.UNAUTHENTICATED });
  });
});

describe("a call that is refused and has a stream of requests", () => {
  test("is not made again with several messages, and the presenters hear of it", async () => {
    const script: Script = {
      clientStream: (call, answer) => {
        call.on("data", () => undefined).on("end", () => answer(invalid));
      },
    };
    await using server = await startScriptedServer(ca, script);
    const { presenter, heard } = counting();
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    const { promise, resolve } = Promise.withResolvers<status | undefined>();
    const call = clientOf(channels).makeClientStreamRequest(
      scriptedPath("clientStream"),
      bytes,
      bytes,
      inTime(),
      (error) => resolve(error?.code),
    );
    call.write(hello);
    call.end(hello);
    expect(await promise).toBe(status.UNAUTHENTICATED);
    expect(heard).toHaveLength(1);
    expect(server.attempts).toHaveLength(1);
  });
  test("is not made again while it goes on", async () => {
    await using server = await startScriptedServer(ca, {
      bidi: (call) => void call.once("data", () => call.emit("error", invalid)),
    });
    const { presenter, heard } = counting();
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    const { promise, resolve } = Promise.withResolvers<status>();
    const call = clientOf(channels).makeBidiStreamRequest(scriptedPath("bidi"), bytes, bytes, inTime());
    call.on("error", () => undefined).on("status", ({ code }: StatusObject) => resolve(code));
    call.resume().write(hello);
    expect(await promise).toBe(status.UNAUTHENTICATED);
    expect(heard).toHaveLength(1);
    expect(server.attempts).toHaveLength(1);
  });
  test("tells the writer once that its one message was written, and has the metadata that it began with", async () => {
    await using server = await refusing(invalid);
    const { presenter } = counting();
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    // As grpc-js itself calls; its stream of requests would not tell of a second callback.
    const call = channels.channel().createCall(scriptedPath("unary"), Date.now() + 10_000, null, null, undefined);
    const { promise, resolve } = Promise.withResolvers<status>();
    const ignored = { onReceiveMetadata: () => undefined, onReceiveMessage: () => undefined };
    const metadata = new Metadata();
    metadata.set("x-request-id", "7");
    call.start(metadata, { ...ignored, onReceiveStatus: ({ code }) => resolve(code) });
    call.startRead();
    const written = vi.fn<() => void>();
    metadata.set("x-request-id", "8");
    call.sendMessageWithContext({ callback: written }, hello);
    call.halfClose();
    expect(await promise).toBe(status.OK);
    expect(written).toHaveBeenCalledOnce();
    expect(server.attempts.map((attempt) => attempt.get("x-request-id"))).toEqual([["7"], ["7"]]);
  });
});

test("a call that is being answered lets go of its message, however long the answer takes", async () => {
  await using server = await startScriptedServer(ca, { serverStream: (call) => void call.write(hello) });
  const { presenter, presented } = counting();
  const channels = connect({ channels: await server.channels(), credentials: [presenter] });
  const call = clientOf(channels).makeServerStreamRequest(scriptedPath("serverStream"), bytes, bytes, hello, inTime());
  call.on("error", () => undefined);
  await once(call, "data");
  await expect(async () => await presented[0]?.message()).rejects.toThrow(/has been answered/);
  call.cancel();
});

describe("a call that is over", () => {
  test("is not made again once it was cancelled", async () => {
    await using server = await refusing(invalid);
    const { presenter } = counting(() => {
      call.cancel();
      return true;
    });
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    const { promise, resolve } = Promise.withResolvers<status | undefined>();
    const call = clientOf(channels).makeUnaryRequest(scriptedPath("unary"), bytes, bytes, hello, inTime(), (error) =>
      resolve(error?.code),
    );
    expect(await promise).toBe(status.UNAUTHENTICATED);
    expect(server.attempts).toHaveLength(1);
  });
  test("can be cancelled in its second attempt", async () => {
    let cancelled = false;
    let attempts = 0;
    const script: Script = {
      unary: (held, answer) => {
        attempts += 1;
        if (attempts === 1) {
          answer(invalid);
          return;
        }
        held.once("cancelled", () => {
          cancelled = true;
        });
        call.cancel();
      },
    };
    await using server = await startScriptedServer(ca, script);
    const { presenter } = counting();
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    const { promise, resolve } = Promise.withResolvers<status | undefined>();
    const call = clientOf(channels).makeUnaryRequest(scriptedPath("unary"), bytes, bytes, hello, inTime(), (error) =>
      resolve(error?.code),
    );
    expect(await promise).toBe(status.CANCELLED);
    await vi.waitFor(() => expect(cancelled).toBe(true));
    expect(server.attempts).toHaveLength(2);
  });
  test("is not made again after its deadline", async () => {
    await using server = await refusing(invalid);
    const deadline = Date.now() + 10_000;
    const { presenter } = counting(() => {
      vi.spyOn(Date, "now").mockReturnValue(deadline);
      return true;
    });
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    const { promise, resolve } = Promise.withResolvers<status | undefined>();
    clientOf(channels).makeUnaryRequest(
      scriptedPath("unary"),
      bytes,
      bytes,
      hello,
      { deadline: new Date(deadline) },
      (error) => resolve(error?.code),
    );
    expect(await promise).toBe(status.UNAUTHENTICATED);
  });
  test("has one deadline for both attempts", async () => {
    const deadlines: number[] = [];
    const script: Script = {
      unary: (call, answer) => {
        deadlines.push(Number(call.getDeadline()));
        answer(invalid);
      },
    };
    await using server = await startScriptedServer(ca, script);
    const { presenter } = counting();
    const channels = connect({ channels: await server.channels(), credentials: [presenter] });
    const { promise, resolve } = Promise.withResolvers<void>();
    const options = { deadline: Date.now() + 3_600_000 };
    clientOf(channels).makeUnaryRequest(scriptedPath("unary"), bytes, bytes, hello, options, () => resolve());
    await promise;
    // The server knows it by what was left of it on arrival.
    for (const deadline of deadlines) expect(Math.abs(deadline - options.deadline)).toBeLessThan(60_000);
    expect(deadlines).toHaveLength(2);
  });
});

test("each call sends what its presenter gives then, be it the same object with another value, or the same that cannot change", async () => {
  await using server = await refusing();
  const reused = { "x-api-key": "0" };
  const changing: Presenter = {
    ...counting().presenter,
    present() {
      reused["x-api-key"] = String(Number(reused["x-api-key"]) + 1);
      return reused;
    },
  };
  const tokens = ["a", "a", "b"].map((value) => Object.freeze({ authorization: `Bearer ${value}` }));
  const frozen: Presenter = {
    ...changing,
    metadataKeys: ["authorization"],
    present: () => tokens.shift() ?? {},
  };
  const channels = connect({ channels: await server.channels(), credentials: [changing, frozen] });
  for (let call = 0; call < 3; call += 1) expect(await calls.unary(channels)).toMatchObject({ code: status.OK });
  expect(keysOf(server.attempts)).toEqual(["1", "2", "3"]);
  expect(server.attempts.map((attempt) => attempt.get("authorization"))).toEqual([
    ["Bearer a"],
    ["Bearer a"],
    ["Bearer b"],
  ]);
});
