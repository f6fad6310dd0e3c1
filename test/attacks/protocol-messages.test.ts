import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import {
  type AttackCall,
  callFields,
  dataFrame,
  grpcMessage,
  type HeaderFields,
  headerBlock,
  headersFrames,
} from "@zero-trust/testkit";
import { expect } from "vitest";
import type { Expected } from "../catalogue/row.ts";
import { attackerOf, statusIn } from "./attackers.ts";
import { type Outcome, onTheWire } from "./call.ts";
import { claimsOf, forgerOf, payingCall } from "./credentials.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import { signatureOf } from "./signature.ts";
import { survivalOf } from "./survival.ts";
import type { Trial } from "./trial.ts";

const { listOrders } = OrderService.method;
const { createPayment, getPayment } = PaymentService.method;
const { path } = onTheWire(getPayment);
const survives = survivalOf("payment");

/** The largest message that payment takes, in bytes. */
const maxMessageBytes = 64 * 1024;

let reading: Awaited<ReturnType<typeof readingCall>>;
const scenario = scenariosOn(async (stack) => {
  reading = await readingCall(stack);
});

/** The call done right. */
async function control(trial: Trial): Promise<void> {
  const { status } = await trial.call(getPayment, reading);
  trial.observe("the same done right", "OK", status);
}

scenario("P1", "malformed compression is an error of its call alone, and a bomb is not inflated", async (trial) => {
  await using insider = attackerOf(trial.stack, "payment", "order-service");
  const session = await insider.session();
  const compressed = (bytes: Uint8Array, encoding = "gzip"): AttackCall => ({
    path,
    headers: [["grpc-encoding", encoding]],
    body: [grpcMessage(bytes, { compressed: true })],
  });
  const good = gzipSync(onTheWire(getPayment, reading.message).bytes);
  const malformed: readonly (readonly [what: string, bytes: Buffer])[] = [
    ["no gzip at all", Buffer.from("this is not gzip")],
    ["gzip without its end", good.subarray(0, -4)],
    ["gzip with more behind it", Buffer.concat([good, Buffer.from("more")])],
    ["nothing, as compressed", Buffer.alloc(0)],
  ];
  await survives(trial, "malformed compression", async () => {
    for (const encoding of ["gzip", "deflate"]) {
      for (const [what, bytes] of malformed) {
        trial.observe(`${what}, as ${encoding}`, "INTERNAL", statusIn(await session.call(compressed(bytes, encoding))));
      }
    }
  });

  // 60 MB in 60 kB: below the limit of a message, and a thousand times above it.
  const bomb = gzipSync(Buffer.alloc(60 * 2 ** 20));
  expect(bomb.length).toBeLessThan(maxMessageBytes);
  await survives(trial, "100 decompression bombs of 60 MB", async () => {
    const one = await session.call(compressed(bomb));
    trial.observe("a bomb of 60 MB", "RESOURCE_EXHAUSTED", statusIn(one));
    for (let round = 0; round < 2; round += 1) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => session.call(compressed(bomb))));
      for (const answer of answers) expect(statusIn(answer)).toBe("RESOURCE_EXHAUSTED");
    }
  });
  trial.observe("the same done right", "OK", statusIn(await session.call(compressed(good))));
});

scenario("P3", "metadata that is too much is refused, whether or not our SETTINGS are acknowledged", async (trial) => {
  const entries = (count: number, size: number): HeaderFields =>
    Array.from({ length: count }, (_, index) => [`x-entry-${index}`, "v".repeat(size)] as const);
  // Too many entries are refused by Node, before anything of ours hears of the call; too large ones by us.
  const cases: readonly (readonly [what: string, headers: HeaderFields, expected: Expected])[] = [
    ["70 kB in one entry", entries(1, 70_000), "RESOURCE_EXHAUSTED"],
    ["70 kB in ten entries", entries(10, 7_000), "RESOURCE_EXHAUSTED"],
    ["17 kB in two entries", entries(2, 8_500), "RESOURCE_EXHAUSTED"],
    ["70 entries", entries(70, 1), "closed"],
    ["200 entries", entries(200, 1), "closed"],
  ];
  const since = await trial.recordsSince("payment");
  const { bytes } = onTheWire(getPayment, reading.message);
  const right = { path, body: [grpcMessage(bytes)] };
  await using insider = attackerOf(trial.stack, "payment", "order-service");
  await survives(trial, "too much metadata", async () => {
    for (const [what, headers, expected] of cases) {
      const session = await insider.session();
      trial.observe(
        `${what}, before our SETTINGS are acknowledged`,
        expected,
        statusIn(await session.call({ ...right, headers })),
      );
      trial.observe(`${what}: the same done right`, "OK", statusIn(await session.call(right)));
      trial.observe(`${what}, after that`, "closed", statusIn(await session.call({ ...right, headers })));
      // One who never acknowledges them, and may lose the whole connection.
      const wire = await insider.wire({ acknowledges: false });
      for (const streamId of [1, 3]) {
        await wire.send(...headersFrames(streamId, headerBlock(callFields(path, headers))));
        await wire.send(dataFrame(streamId, grpcMessage(bytes), { endStream: true }));
        await wire.until(() => wire.endOf(streamId) !== undefined);
      }
      wire.destroy();
    }
  });
  const records = await since();
  const tooLarge = records.filter(({ log, cause }) => log === "connection" && cause === "METADATA_TOO_LARGE");
  expect(tooLarge.length).toBeGreaterThanOrEqual(3);
  const served = records.filter(({ log, peer }) => log === "decision" && peer === spiffeIdOf("order-service"));
  expect(served.map(({ outcome }) => outcome)).toEqual(cases.map(() => "allowed"));
});

scenario("P7", "a length of gigabytes, or a message above the limit, is refused at once", async (trial) => {
  await using insider = attackerOf(trial.stack, "payment", "order-service");
  const session = await insider.session();
  await survives(trial, "90 messages that claim to have gigabytes", async () => {
    for (const length of [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      // Nothing else comes: the server does not wait for it.
      const lie = { path, body: [grpcMessage(Buffer.from("abc"), { length })], end: false };
      const answers = await Promise.all(Array.from({ length: 30 }, () => session.call(lie)));
      const [status, ...others] = new Set(answers.map(statusIn));
      trial.observe(`30 messages of ${length} bytes, of which three come`, "RESOURCE_EXHAUSTED", status ?? "");
      expect(others).toEqual([]);
    }
  });
  const large = await session.call({ path, body: [grpcMessage(Buffer.alloc(maxMessageBytes + 1))] });
  trial.observe("a message of one byte more than the limit", "RESOURCE_EXHAUSTED", statusIn(large));
  await control(trial);
});

scenario(
  "P8",
  "what cannot be read, or breaks a rule, is refused without a word of ours or of the caller's",
  async (trial) => {
    const field = (length: number, bytes: Buffer) => Buffer.concat([Buffer.of(0x0a, length), bytes]);
    const undecodable: readonly (readonly [what: string, bytes: Buffer])[] = [
      ["bytes that are no message", Buffer.of(0xff, 0xff, 0xff)],
      ["a field that is longer than the message", field(100, Buffer.from("canary"))],
      ["a text that is no UTF-8", field(2, Buffer.of(0xff, 0xfe))],
      ["10 000 groups, none of which ends", Buffer.alloc(10_000, 0x0b)],
    ];
    const silent = ({ details, trailers }: Outcome) =>
      expect(`${details} ${JSON.stringify(trailers.getMap())}`).not.toMatch(/canary|payment|offset|premature|utf/i);
    for (const [what, bytes] of undecodable) {
      const outcome = await trial.call(getPayment, { as: "order-service", bytes: [bytes] });
      trial.observe(what, "INTERNAL", outcome.status);
      silent(outcome);
      const right = await payingCall(trial.stack);
      const { id: keyId, secret } = trial.stack.deployment.signing["order-service"];
      const signed = { keyId, secret: secret.expose(), path: onTheWire(createPayment).path, message: bytes };
      const metadata = { ...right.metadata, ...signatureOf(signed) };
      const paid = await trial.call(createPayment, { ...right, bytes: [bytes], metadata });
      trial.observe(`${what}, well signed`, "INTERNAL", paid.status);
      silent(paid);
    }
    const broken = await trial.call(getPayment, { as: "order-service", message: { paymentId: "canary".repeat(200) } });
    trial.observe("an id that is none", "INVALID_ARGUMENT", broken.status);
    silent(broken);
    const free = await payingCall(trial.stack, { requestId: randomUUID(), client: "storefront", reference: "canary" });
    const unpaid = await trial.call(createPayment, free);
    trial.observe("a payment without an amount, well signed", "INVALID_ARGUMENT", unpaid.status);
    silent(unpaid);
    expect((await trial.stack.payment.said()).join("\n")).not.toContain("canary");
    await control(trial);
  },
);

scenario(
  "P10",
  "a method that does not exist tells nobody anything, and every call of one is on record",
  async (trial) => {
    const missing = "/admin.v1.Canary/Get";
    const calls = (method: string, as?: Workload) => async () => {
      const outcome = await trial.call(getPayment, { ...(as === undefined ? {} : { as }), path: method });
      expect(`${outcome.details} ${JSON.stringify(outcome.trailers.getMap())}`).not.toMatch(/canary/i);
      return outcome;
    };
    const right = () => trial.call(getPayment, reading);
    const whose: readonly (readonly [who: string, expected: Expected, as?: Workload])[] = [
      ["no certificate", "T"],
      ["no grants", "PERMISSION_DENIED PEER_NOT_GRANTED", "stranger"],
      ["grants", "UNIMPLEMENTED", "order-service"],
    ];
    for (const [who, expected, as] of whose) {
      await trial.denied({
        what: `an unknown method, ${who}`,
        expected,
        by: "payment",
        attack: calls(missing, as),
        control: right,
        record: as === undefined ? {} : { method: missing, peer: spiffeIdOf(as) },
      });
    }
    for (const method of ["/__proto__", "/constructor", "/", `${path}/`]) {
      for (const [who, expected, as] of whose.slice(1)) {
        trial.observe(`${method}, ${who}`, expected, (await calls(method, as)()).status);
      }
    }
  },
);

scenario("P12", "names of what every object has are names like any other", async (trial) => {
  const names = ["__proto__", "constructor", "prototype", "hasownproperty", "tostring"];
  await using insider = attackerOf(trial.stack, "payment", "order-service");
  const session = await insider.session();
  const right = { path, body: [grpcMessage(onTheWire(getPayment, reading.message).bytes)] };
  for (const name of [...names, "__proto__-bin"]) {
    const headers: HeaderFields = [
      [name, "polluted"],
      [name, "polluted"],
    ];
    const status = statusIn(await session.call({ ...right, headers }));
    trial.observe(`${name} as metadata`, "ignored", status === "OK" ? "ignored" : status);
  }
  const encoded = { path, headers: [["grpc-encoding", "__proto__"]] as const };
  const body = [grpcMessage(Buffer.alloc(1), { compressed: true })];
  trial.observe("__proto__ as an encoding", "UNIMPLEMENTED", statusIn(await session.call({ ...encoded, body })));

  const forger = await forgerOf(trial.stack);
  const list = async (scope: string | undefined, claims: Readonly<Record<string, unknown>>) => {
    const good = claimsOf(trial.stack, "storefront", "order", []);
    const token = await forger.sign({ ...good, scope, ...claims });
    return await trial.call(listOrders, { as: "storefront", metadata: { authorization: `Bearer ${token}` } });
  };
  for (const name of ["__proto__", "constructor"]) {
    await trial.denied({
      what: `a token whose scope is in its ${name}`,
      expected: "PERMISSION_DENIED SCOPE_MISSING",
      by: "order",
      attack: () => list(undefined, { [name]: { scope: "read:orders", prototype: { scope: "read:orders" } } }),
      control: () => list("read:orders", {}),
    });
    const { status } = await list("read:orders", { [name]: { scope: "", client_id: "partner", aud: "" } });
    trial.observe(`${name} beside the claims of a token`, "ignored", status === "OK" ? "ignored" : status);
  }
});
