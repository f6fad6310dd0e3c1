import { gzipSync } from "node:zlib";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { hmac } from "@zero-trust/auth/client";
import { CreatePaymentRequestSchema, type GetPaymentRequestSchema, PaymentService } from "@zero-trust/proto/payment/v1";
import { expect, vi } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { callOn, onTheWire } from "./call.ts";
import { bearerOf, newPayment, signedBy } from "./credentials.ts";
import { type RawCall, rawCallerOn } from "./raw-caller.ts";
import { scenariosOn } from "./scenario.ts";

const { capturePayment, createPayment, getPayment } = PaymentService.method;
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";

/** Reads a payment of storefront's: with storefront's certificate it takes a signature and nothing else. */
let reading: MessageInitShape<typeof GetPaymentRequestSchema>;
let token: Readonly<Record<string, string>>;

const scenario = scenariosOn(async (stack) => {
  token = await bearerOf(stack, "order-service", "payment", ["write:payments"]);
  const { bytes, metadata } = await signedPayment(stack);
  const made = await callOn(stack, createPayment, { as: "order-service", bytes: [bytes], metadata });
  reading = { paymentId: made.messages[0]?.payment?.paymentId ?? "" };
});

/** A payment as our own client signs it, at another time or for another path where that is given. */
async function signedPayment(
  { deployment }: Stack,
  { atSeconds, signedPath }: { readonly atSeconds?: number; readonly signedPath?: string } = {},
): Promise<RawCall> {
  const { id: keyId, secret } = deployment.signing["order-service"];
  const { path, bytes } = onTheWire(createPayment, newPayment());
  const signer = hmac({ keyId, secret, now: () => (atSeconds === undefined ? Date.now() : atSeconds * 1000) });
  const signature = await signer.present({ path: signedPath ?? path, message: async () => bytes });
  return { path, bytes, metadata: { ...token, ...signature } };
}

/** What every byte of a text becomes in turn: another one of its kind, so that it is not the grammar that tells. */
function eachOther(text: string): readonly string[] {
  const other = (letter: string) => {
    if (/[0-9]/.test(letter)) return String((Number(letter) + 9) % 10);
    if (/[a-z]/i.test(letter)) return letter === "a" ? "b" : String.fromCharCode(letter.charCodeAt(0) - 1);
    return "0";
  };
  return Array.from(text, (letter, at) => text.slice(0, at) + other(letter) + text.slice(at + 1));
}

function withEach(call: RawCall, key: string): readonly RawCall[] {
  const value = String(call.metadata[key]);
  return eachOther(value).map((other) => ({ ...call, metadata: { ...call.metadata, [key]: other } }));
}

scenario("H1", "a signed payment of which any one byte is another is refused", async (trial) => {
  await using caller = await rawCallerOn(trial.stack, "payment", "order-service");
  // What is signed may be of a second ago, and a service that has just begun knows nothing of the time before.
  const begunMs = Date.now();
  await vi.waitUntil(() => Date.now() >= begunMs + 1_000, { timeout: 5_000 });
  // Other digits make this time earlier by 100 s at most, which is in the window; or much earlier; or later by 90 s at least.
  const signingSeconds = () => {
    const now = Math.floor(Date.now() / 1000);
    return now % 10 === 0 ? now - 1 : now;
  };
  const timesOf = (call: RawCall, isInWindow: boolean) => {
    const at = Number(call.metadata["x-timestamp"]);
    const isIn = (seconds: number) => seconds <= at && seconds >= at - 100;
    return withEach(call, "x-timestamp").filter(({ metadata }) => isIn(Number(metadata["x-timestamp"])) === isInWindow);
  };
  const bytesOf = (call: RawCall) =>
    Array.from(call.bytes, (_, at) => {
      const bytes = Uint8Array.from(call.bytes, (byte, index) => (index === at ? byte ^ 1 : byte));
      return { ...call, bytes };
    });
  // Without its first slash a path is none in HTTP/2: the connection refuses it.
  const pathsOf = (call: RawCall) =>
    eachOther(call.path)
      .slice(1)
      .map((path) => ({ ...call, path }));

  const records = await trial.recordsSince("payment");
  let changed = 0;
  for (const [part, expected, others] of [
    ["the message", invalid, bytesOf],
    ["the path", "UNIMPLEMENTED", pathsOf],
    ["the timestamp, within the window", invalid, (call) => timesOf(call, true)],
    ["the timestamp, out of the window", "UNAUTHENTICATED CREDENTIAL_EXPIRED", (call) => timesOf(call, false)],
    ["the nonce", invalid, (call) => withEach(call, "x-nonce")],
    ["the key id", invalid, (call) => withEach(call, "x-api-key")],
    ["the signature", invalid, (call) => withEach(call, "x-signature")],
  ] as const satisfies readonly (readonly [string, string, (call: RawCall) => readonly RawCall[]])[]) {
    const signed = await signedPayment(trial.stack, { atSeconds: signingSeconds() });
    const calls = others(signed);
    changed += calls.length;
    await trial.denied({
      what: `${part}, each of ${calls.length} bytes in turn`,
      expected,
      by: "payment",
      async attack() {
        const statuses = new Set<string>();
        for (const call of calls) statuses.add((await caller.call(call)).status);
        return { status: [...statuses].join(", ") };
      },
      // Its nonce is good: none of the others has used it up.
      control: () => caller.call(signed),
    });
  }
  expect(changed).toBeGreaterThan(200);
  const refused = async () => (await records()).filter(({ outcome }) => outcome === "refused").length;
  await vi.waitFor(async () => expect(await refused()).toBe(changed), 10_000);
});

scenario("H6", "what is signed for one method is refused by another", async (trial) => {
  await using caller = await rawCallerOn(trial.stack, "payment", "order-service");
  const { path } = onTheWire(createPayment);
  for (const signedPath of [onTheWire(capturePayment).path, path.toLowerCase(), path.slice(1), "/CreatePayment"]) {
    const attack = await signedPayment(trial.stack, { signedPath });
    const control = await signedPayment(trial.stack);
    await trial.denied({
      what: `signed for ${signedPath}, shown to ${path}`,
      expected: invalid,
      by: "payment",
      attack: () => caller.call(attack),
      control: () => caller.call(control),
    });
  }
});

scenario("H7", "a signature that is not 64 small hexadecimal digits is refused, and throws nothing", async (trial) => {
  await using caller = await rawCallerOn(trial.stack, "payment", "order-service");
  const others: Readonly<Record<string, (signature: string) => string>> = {
    "half of the signature": (signature) => signature.slice(0, 32),
    "a digit less": (signature) => signature.slice(0, -1),
    "a byte more": (signature) => `${signature}00`,
    "twice the signature": (signature) => signature.repeat(2),
    "in upper case": (signature) => signature.toUpperCase(),
    "as base64": (signature) => Buffer.from(signature, "hex").toString("base64"),
    "as base64url": (signature) => Buffer.from(signature, "hex").toString("base64url"),
    "no digit": () => "",
  };
  for (const [what, other] of Object.entries(others)) {
    const signed = await signedPayment(trial.stack);
    const signature = String(signed.metadata["x-signature"]);
    await trial.denied({
      what,
      expected: invalid,
      by: "payment",
      attack: () => caller.call({ ...signed, metadata: { ...signed.metadata, "x-signature": other(signature) } }),
      control: () => caller.call(signed),
      record: { cause: "x-signature is malformed" },
    });
  }
});

scenario("H8", "no line moves within what is signed, and of two values of a key neither counts", async (trial) => {
  await using caller = await rawCallerOn(trial.stack, "payment", "storefront");
  const { path, bytes } = onTheWire(getPayment, reading);
  const signed = (changes: Parameters<typeof signedBy>[4] = {}) =>
    signedBy(trial.stack, "storefront", getPayment, reading, changes);
  const refused = async (what: string, metadata: RawCall["metadata"], message = bytes) => {
    await trial.denied({
      what,
      expected: invalid,
      by: "payment",
      attack: () => caller.call({ path, metadata, bytes: message }),
      control: () => caller.call({ path, metadata: signed(), bytes }),
    });
  };
  // The message begins with a line feed (field 1, of a length), so this is signed just as it was before.
  const right = signed();
  expect(bytes[0]).toBe("\n".charCodeAt(0));
  await refused(
    "the message's first byte as the nonce's last",
    { ...right, "x-nonce": `${right["x-nonce"]}\n` },
    bytes.subarray(1),
  );
  await refused("the nonce as the timestamp's second line", {
    ...right,
    "x-timestamp": `${right["x-timestamp"]}\n${right["x-nonce"]}`,
    "x-nonce": "",
  });
  await refused("a line feed in the nonce, and signed", signed({ nonce: `${"0".repeat(16)}\n${"0".repeat(15)}` }));
  await refused(
    "a line feed after the timestamp, and signed",
    signed({ timestamp: `${Math.floor(Date.now() / 1000)}\n` }),
  );
  for (const [key, value] of Object.entries(signed())) {
    await refused(`a line feed in ${key}`, { ...signed(), [key]: `${value.slice(0, 4)}\n${value.slice(4)}` });
    await refused(`${key} twice`, { ...signed(), [key]: [value, value] });
    await refused(`two values in one ${key}`, { ...signed(), [key]: `${value}, ${value}` });
  }
  const other = signed();
  await refused("two signatures, each with its nonce", {
    ...other,
    "x-nonce": [other["x-nonce"] ?? "", right["x-nonce"] ?? ""],
    "x-signature": [other["x-signature"] ?? "", right["x-signature"] ?? ""],
  });
});

scenario("H14", "the bytes that were sent are signed, whoever made them and however they travelled", async (trial) => {
  const { stack } = trial;
  await using caller = await rawCallerOn(stack, "payment", "order-service");
  const { path } = onTheWire(createPayment);
  const before = await trial.settled();
  const call = (message: Uint8Array, sent: Partial<RawCall> = {}) => {
    const signature = signedBy(stack, "order-service", createPayment, {}, { message });
    return caller.call({ path, bytes: message, ...sent, metadata: { ...token, ...signature, ...sent.metadata } });
  };
  const gzip = (bytes: Uint8Array) => ({
    bytes: gzipSync(bytes),
    compressed: true,
    metadata: { "grpc-encoding": "gzip" },
  });
  const { bytes } = onTheWire(createPayment, newPayment());
  trial.observe("the message is compressed", "served", (await call(bytes, gzip(bytes))).status);
  const unknown = Buffer.concat([Buffer.of(0xc0, 0x3e, 0x01), onTheWire(createPayment, newPayment()).bytes]);
  trial.observe("it begins with a field that nobody knows", "served", (await call(unknown)).status);
  const backwards = await call(inReverse(newPayment()));
  trial.observe("its fields are in reverse, as another serializer may have them", "served", backwards.status);
  expect((await trial.settled()).payments).toBe(before.payments + 3);

  const refused = async (what: string, attack: () => ReturnType<typeof call>) =>
    await trial.denied({
      what,
      expected: invalid,
      by: "payment",
      attack,
      control: () => call(inReverse(newPayment())),
    });
  const compressed = gzip(bytes);
  await refused("the signature is over the compressed bytes", () => call(compressed.bytes, compressed));
  const message = newPayment();
  const reserialized = onTheWire(createPayment, message).bytes;
  await refused("the signature is over the message as we would serialize it", () =>
    call(reserialized, { bytes: inReverse(message) }),
  );
});

/** A request with its fields in reverse, each serialized by itself. */
function inReverse(message: ReturnType<typeof newPayment>): Uint8Array {
  const fields = Object.entries(message).reverse();
  const parts = fields.map(([name, value]) =>
    toBinary(CreatePaymentRequestSchema, create(CreatePaymentRequestSchema, { [name]: value })),
  );
  return Buffer.concat(parts);
}
