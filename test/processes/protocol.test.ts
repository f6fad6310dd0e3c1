import { gzipSync } from "node:zlib";
import { status } from "@grpc/grpc-js";
import {
  type AttackAnswer,
  callFields,
  dataFrame,
  frameType,
  grpcMessage,
  headerBlock,
  headersFrame,
  headersFrames,
  settingsFrame,
} from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Attacked, goodCall, path, pingMessage, startUnderAttack } from "./under-attack.ts";
import { slackMs, within } from "./within.ts";

const MIB = 1024 * 1024;
const unknownPath = "/admin.v1.Canary/Get";

const anyOf = (...values: readonly (number | undefined)[]) => expect.toBeOneOf([...values]) as number;

let attacked: Attacked;
beforeAll(async () => {
  attacked = await startUnderAttack();
});
afterAll(() => attacked[Symbol.asyncDispose]());

// That nothing but TLS is understood is Node's doing; that it is known is ours.
test("M1: HTTP/2 in clear is dropped and logged", async () => {
  const { survives, outsider, service } = attacked;
  const since = service.written;
  await survives("M1", async () => {
    const block = headerBlock(callFields(path));
    const first = [settingsFrame(), headersFrame(1, block, { endStream: true })];
    const wires = await Promise.all(Array.from({ length: 20 }, () => outsider.plaintextWire({ first })));
    expect(await within(slackMs, Promise.all(wires.map((wire) => wire.closed)))).toBe(true);
    for (const wire of wires) expect(wire.received(frameType.settings)).toBe(0);
  });
  await expect.poll(() => service.records("connection", since).length, { timeout: slackMs }).toBe(20);
  expect(service.records("decision", since).filter(({ outcome }) => outcome !== "allowed")).toEqual([]);
});

describe("P1", () => {
  const gzip = [["grpc-encoding", "gzip"]] as const;

  // It is grpc-js that answers; versions before 1.14.4 died of it.
  test("P1: malformed compression is INTERNAL", async () => {
    const { handled } = await attacked.survives("P1 malformed", async () => {
      const good = gzipSync(pingMessage("a").subarray(5));
      const bad = [
        Buffer.from("this is not gzip"),
        good.subarray(0, -4),
        Buffer.concat([good, Buffer.from("more")]),
        Buffer.alloc(0),
      ];
      const session = await attacked.insider.session();
      for (const encoding of ["gzip", "deflate"]) {
        for (const bytes of bad) {
          const body = [grpcMessage(bytes, { compressed: true })];
          const answer = await session.call({ path, headers: [["grpc-encoding", encoding]], body });
          expect(answer).toMatchObject({ status: status.INTERNAL });
        }
      }
    });
    expect(handled).toBe(0);
  });

  test("P1: a decompression bomb is RESOURCE_EXHAUSTED, and is not inflated", async () => {
    // A gigabyte in one megabyte: below the limit of a message, and a thousand times above it.
    const member = gzipSync(Buffer.alloc(10 * MIB));
    const bomb = grpcMessage(Buffer.concat(Array.from({ length: 100 }, () => member)), { compressed: true });
    const { handled } = await attacked.survives("P1 bombs", async () => {
      expect(await attacked.insider.call({ path, headers: gzip, body: [bomb] })).toMatchObject({
        status: status.RESOURCE_EXHAUSTED,
      });
      const session = await attacked.insider.session();
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => session.call({ path, headers: gzip, body: [bomb] })),
      );
      // Beyond what a connection may keep in memory, streams are refused unread.
      for (const answer of answers) expect(answer.status).toEqual(anyOf(status.RESOURCE_EXHAUSTED, undefined));
    });
    expect(handled).toBe(0);
  });
});

describe("P3", () => {
  const entries = (count: number, size: number) =>
    Array.from({ length: count }, (_, index) => [`x-entry-${index}`, "v".repeat(size)] as const);
  const cases = [
    ["70 kB in one entry", entries(1, 70_000)],
    ["70 kB in ten entries", entries(10, 7_000)],
    ["17 kB", entries(2, 8_500)],
    ["70 entries", entries(70, 1)],
    ["200 entries", entries(200, 1)],
  ] as const;
  test.each(cases)(
    "P3: metadata of %s is refused, also before our SETTINGS are acknowledged",
    async (name, headers) => {
      const { survives, insider, service } = attacked;
      const since = service.written;
      const { handled } = await survives(`P3 ${name}`, async () => {
        const session = await insider.session();
        const call = { path, headers, body: [pingMessage("a")] };
        const first = await session.call(call);
        await insider.call(goodCall);
        const later = await session.call(call).catch(() => first);
        for (const answer of [first, later]) expect(answer.status).toEqual(anyOf(status.RESOURCE_EXHAUSTED, undefined));

        const wire = await insider.wire({ acknowledges: false });
        for (const streamId of [1, 3]) {
          await wire.send(...headersFrames(streamId, headerBlock(callFields(path, headers))));
          await wire.send(dataFrame(streamId, pingMessage("a"), { endStream: true }));
          await wire.until(() => wire.endOf(streamId) !== undefined);
        }
      });
      expect(handled).toBe(0);
      // Too many entries are refused by Node, before anything of ours hears of the call; too large ones by us.
      const causes = service.records("connection", since).map(({ cause }) => cause);
      expect(causes.includes("METADATA_TOO_LARGE")).toBe(!name.endsWith("entries") || name.includes("kB"));
    },
  );
});

test("P7: a length of gigabytes, or a message above the limit, is RESOURCE_EXHAUSTED at once", async () => {
  const { handled } = await attacked.survives("P7", async () => {
    const session = await attacked.insider.session();
    for (const length of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      // Nothing else comes: the server does not wait for it.
      const lie = { path, body: [grpcMessage(Buffer.from("abc"), { length })], end: false };
      const answers = await Promise.all(Array.from({ length: 30 }, () => session.call(lie)));
      for (const answer of answers) expect(answer.status).toBe(status.RESOURCE_EXHAUSTED);
    }
    const large = await session.call({ path, body: [grpcMessage(Buffer.alloc(MIB + 1))] });
    expect(large.status).toBe(status.RESOURCE_EXHAUSTED);
  });
  expect(handled).toBe(0);
});

test("P8: an undecodable message is INTERNAL, one that breaks a rule INVALID_ARGUMENT, and neither is quoted", async () => {
  const { handled } = await attacked.survives("P8", async () => {
    const session = await attacked.insider.session();
    const call = (message: Uint8Array) => session.call({ path, body: [grpcMessage(message)] });
    const text = (length: number, bytes: Buffer) => Buffer.concat([Buffer.of(0x0a, length), bytes]);
    const undecodable = [
      Buffer.of(0xff, 0xff, 0xff),
      text(100, Buffer.from("canary")),
      text(2, Buffer.of(0xff, 0xfe)),
      // A group that is opened ten thousand times.
      Buffer.alloc(10_000, 0x0b),
    ];
    for (const message of undecodable)
      expect(await call(message)).toMatchObject({ status: status.INTERNAL, message: anyText });
    const broken = await call(pingMessage("canary".repeat(200)).subarray(5));
    expect(broken).toMatchObject({ status: status.INVALID_ARGUMENT, message: anyText });
  });
  expect(handled).toBe(0);
  expect(attacked.service.said()).not.toContain("canary");
});
const anyText = expect.toSatisfy(
  (text?: string) => text === undefined || !/canary|ping|offset|proto/i.test(text),
) as string;

test("P10: a method that does not exist tells nobody anything: T, PERMISSION_DENIED, UNIMPLEMENTED; all are logged", async () => {
  const { survives, outsider, stranger, insider, service } = attacked;
  const since = service.written;
  const silent = (answer: AttackAnswer) => expect(JSON.stringify(answer.headers)).not.toMatch(/canary/i);
  await survives("P10", async () => {
    const none = await outsider.call({ path: unknownPath });
    expect(none).toMatchObject({ status: undefined, httpStatus: undefined });
    for (const missing of [unknownPath, "/__proto__", "/constructor", "/", `${path}/`]) {
      const denied = await stranger.call({ path: missing });
      expect(denied.status).toBe(status.PERMISSION_DENIED);
      const unimplemented = await insider.call({ path: missing });
      expect(unimplemented.status).toBe(status.UNIMPLEMENTED);
      silent(denied);
      silent(unimplemented);
    }
  });
  await expect.poll(() => service.records("connection", since).length, { timeout: slackMs }).toBe(1);
  const refused = () => service.records("decision", since).filter(({ method }) => method === unknownPath);
  await expect.poll(refused, { timeout: slackMs }).toMatchObject([
    { outcome: "refused", peer: "spiffe://production.internal/stranger", reason: "PEER_NOT_GRANTED" },
    { outcome: "refused", peer: "spiffe://production.internal/insider" },
  ]);
});

// grpc-js keeps metadata in a Map, and nothing of ours may copy it into an object.
test("P12: __proto__ and constructor are metadata keys like any other", async () => {
  await attacked.survives("P12", async () => {
    const session = await attacked.insider.session();
    for (const key of ["__proto__", "constructor", "prototype", "hasownproperty", "tostring", "__proto__-bin"]) {
      const headers = [
        [key, "polluted"],
        [key, "polluted"],
      ] as const;
      expect(await session.call({ ...goodCall, headers })).toMatchObject({ status: status.OK });
    }
    const encoding = await session.call({
      path,
      headers: [["grpc-encoding", "__proto__"]],
      body: [grpcMessage(Buffer.alloc(1), { compressed: true })],
    });
    expect(encoding.status).toBe(status.UNIMPLEMENTED);
  });
});
