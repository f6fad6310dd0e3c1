import { createHmac } from "node:crypto";

// Written from the contract alone: nothing of ../../src, which is held against it.

/** The bytes of a message: as they are, or as a rule where they are many. */
export type Message = { readonly hex: string } | { readonly repeatHex: string; readonly times: number };

/** One request, and what a server whose clock says `serverTime` makes of it. */
export interface Request {
  readonly name: string;
  /** The name of a request that the same server has let in before. */
  readonly after?: string;
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly message: Message;
  /** What is signed before the message, where the request is right. */
  readonly head?: string;
  readonly serverTime: number;
  readonly code: string;
  readonly reason?: string;
}

/** A key, and what a server has on record of it. */
export interface Key {
  readonly id: string;
  readonly secret: string;
  readonly audience: string;
  readonly revoked?: boolean;
  readonly note: string;
}

const audience = "https://payment.production.internal";
const serverTime = 1_795_000_000;
const path = "/payment.v1.PaymentService/GetPayment";
const nonce = "00112233445566778899aabbccddeeff";
const message = "0a057061795f31";

const bytesFrom = (first: number, count: number) => Buffer.from(Array.from({ length: count }, (_, at) => first + at));
const secretFrom = (first: number) => `hs-${bytesFrom(first, 32).toString("base64url")}`;

const keys = {
  main: { id: "hk-vector00", secret: secretFrom(0), audience, note: "the bytes 00 to 1f" },
  second: { id: "hk-vector0123456789abcdefghijklmnop", secret: secretFrom(32), audience, note: "the bytes 20 to 3f" },
  elsewhere: {
    id: "hk-elsewhere",
    secret: secretFrom(64),
    audience: "https://order.production.internal",
    note: "the bytes 40 to 5f; good for another service",
  },
  retired: { id: "hk-retired0", secret: secretFrom(96), audience, revoked: true, note: "the bytes 60 to 7f; revoked" },
  // Signs like the others, and no server knows it.
  unknown: { id: "hk-unknown0", secret: secretFrom(128), audience, note: "the bytes 80 to 9f" },
} satisfies Record<string, Key>;

/** What a request is made of; `signed` is what its signature covers instead of what is sent. */
interface Making {
  readonly name: string;
  readonly after?: string;
  readonly key?: Key;
  readonly path?: string;
  readonly timestamp?: string;
  readonly nonce?: string;
  readonly message?: Message;
  readonly signed?: { readonly key?: Buffer; readonly head?: string; readonly message?: Buffer };
  readonly metadata?: Readonly<Record<string, string | undefined>>;
  readonly expect?: string;
  readonly reason?: string;
}

function make(making: Making): Request {
  const { name, after, key = keys.main, timestamp = String(serverTime), signed = {}, reason } = making;
  const sent = { path: making.path ?? path, nonce: making.nonce ?? nonce, message: making.message ?? { hex: message } };
  const head = `POST\n${sent.path}\n${timestamp}\n${sent.nonce}\n`;
  const signature = createHmac("sha256", signed.key ?? Buffer.from(key.secret, "ascii"))
    .update(signed.head ?? head)
    .update(signed.message ?? bytesOf(sent.message))
    .digest("hex");
  const values = { "x-api-key": key.id, "x-timestamp": timestamp, "x-nonce": sent.nonce, "x-signature": signature };
  const metadata = Object.entries({ ...values, ...making.metadata }).filter(([, value]) => value !== undefined);
  return {
    name,
    ...(after === undefined ? {} : { after }),
    path: sent.path,
    metadata: Object.fromEntries(metadata) as Record<string, string>,
    message: sent.message,
    ...(reason === undefined ? { head } : {}),
    serverTime,
    ...(reason === undefined ? { code: "OK" } : { code: "UNAUTHENTICATED", reason }),
  };
}

/** The bytes that a message of the vectors stands for. */
export function bytesOf(what: Message): Buffer {
  return "hex" in what
    ? Buffer.from(what.hex, "hex")
    : Buffer.concat(Array.from({ length: what.times }, () => Buffer.from(what.repeatHex, "hex")));
}

const invalid = (name: string, making: Omit<Making, "name" | "reason">): Request =>
  make({ ...making, name, reason: "CREDENTIAL_INVALID" });
const changed = (name: string, metadata: Making["metadata"]): Request => invalid(name, { metadata: metadata ?? {} });
const secondsAway = (seconds: number, reason?: string): Request =>
  make({
    name: `a timestamp ${Math.abs(seconds)} s ${seconds < 0 ? "old" : "ahead"}`,
    timestamp: String(serverTime + seconds),
    ...(reason === undefined ? {} : { reason }),
  });

const worked = make({ name: "the worked vector" });
const { "x-signature": signature = "" } = worked.metadata;
const framed = Buffer.concat([Buffer.of(0, 0, 0, 0, message.length / 2), Buffer.from(message, "hex")]);

const requests: readonly Request[] = [
  worked,
  make({ name: "an empty message", message: { hex: "" } }),
  make({ name: "a message with every byte there is", message: { hex: bytesFrom(0, 256).toString("hex") } }),
  make({
    name: "a message of text that is not ASCII",
    message: { hex: Buffer.from("\n\u0007Zürich").toString("hex") },
  }),
  make({ name: "a message of 1 MiB, less one byte", message: { repeatHex: "00017f80ff", times: 209_715 } }),
  make({ name: "a method of another service", path: "/order.v1.OrderService/PlaceOrder" }),
  make({ name: "a service without a package", path: "/Health/Check" }),
  make({ name: "names with digits and underscores", path: "/a_b.v2beta1.Service_2/Method_3" }),
  make({ name: "a nonce of 16 digits", nonce: "0123456789abcdef" }),
  make({ name: "a nonce of 17 digits", nonce: "0123456789abcdef0" }),
  make({ name: "a nonce of 64 digits", nonce: "0123456789abcdef".repeat(4) }),
  make({ name: "another key, with an id of 32", key: keys.second }),
  secondsAway(-300),
  secondsAway(-301, "CREDENTIAL_EXPIRED"),
  secondsAway(5),
  secondsAway(6, "CREDENTIAL_EXPIRED"),
  make({ name: "the same request again", after: "the worked vector", reason: "CREDENTIAL_REPLAYED" }),
  make({
    name: "the same nonce at another time",
    after: "the worked vector",
    timestamp: String(serverTime + 1),
    reason: "CREDENTIAL_REPLAYED",
  }),
  make({ name: "the same nonce with another key", after: "the worked vector", key: keys.second }),
  invalid("one bit of the message changed", { signed: { message: Buffer.from("0a057061795f30", "hex") } }),
  invalid("the five bytes of the gRPC frame signed too", { signed: { message: framed } }),
  invalid("signed for another method", {
    signed: { head: `POST\n/payment.v1.PaymentService/CapturePayment\n${serverTime}\n${nonce}\n` },
  }),
  invalid("signed for the path without its slash", {
    signed: { head: `POST\n${path.slice(1)}\n${serverTime}\n${nonce}\n` },
  }),
  invalid("signed with another time than is sent", {
    signed: { head: `POST\n${path}\n${serverTime - 1}\n${nonce}\n` },
  }),
  invalid("signed without a line feed after the nonce", {
    signed: { head: `POST\n${path}\n${serverTime}\n${nonce}` },
  }),
  invalid("signed with CR LF", { signed: { head: `POST\r\n${path}\r\n${serverTime}\r\n${nonce}\r\n` } }),
  invalid("signed without the line POST", { signed: { head: `${path}\n${serverTime}\n${nonce}\n` } }),
  invalid("keyed with the bytes that the secret encodes", { signed: { key: bytesFrom(0, 32) } }),
  invalid("keyed with the secret without hs-", { signed: { key: Buffer.from(keys.main.secret.slice(3)) } }),
  invalid("a key that nobody knows", { key: keys.unknown }),
  invalid("a key for another service", { key: keys.elsewhere }),
  invalid("a key that is revoked", { key: keys.retired }),
  changed("an API key as key id", { "x-api-key": "sk-test-aaaaaaaaaaaa" }),
  changed("a key id of seven", { "x-api-key": "hk-1234567" }),
  changed("an upper-case key id", { "x-api-key": "HK-VECTOR00" }),
  changed("no key id", { "x-api-key": undefined }),
  changed("no timestamp", { "x-timestamp": undefined }),
  changed("no nonce", { "x-nonce": undefined }),
  changed("no signature", { "x-signature": undefined }),
  changed("an empty signature", { "x-signature": "" }),
  changed("a signature of 62 digits", { "x-signature": signature.slice(2) }),
  changed("a signature of 66 digits", { "x-signature": `${signature}00` }),
  changed("an upper-case signature", { "x-signature": signature.toUpperCase() }),
  changed("a base64 signature", { "x-signature": Buffer.from(signature, "hex").toString("base64") }),
  changed("two signatures", { "x-signature": `${signature}, ${signature}` }),
  invalid("a timestamp in milliseconds", { timestamp: `${serverTime}000` }),
  invalid("a timestamp with a point", { timestamp: `${serverTime}.0` }),
  invalid("a timestamp of eleven digits", { timestamp: `0${serverTime}` }),
  invalid("two timestamps", { timestamp: `${serverTime}, ${serverTime}` }),
  invalid("a nonce of 15 digits", { nonce: "0123456789abcde" }),
  invalid("a nonce of 65 digits", { nonce: `${"0123456789abcdef".repeat(4)}0` }),
  invalid("an upper-case nonce", { nonce: nonce.toUpperCase() }),
  invalid("a UUID as nonce", { nonce: "00112233-4455-6677-8899-aabbccddeeff" }),
  invalid("two nonces", { nonce: `${nonce}, ${nonce}` }),
];

/** What docs/vectors/hmac.json says. */
export const hmacVectors: {
  readonly what: string;
  readonly head: string;
  readonly signature: string;
  readonly audience: string;
  readonly pastSeconds: number;
  readonly futureSeconds: number;
  readonly keys: readonly Key[];
  readonly requests: readonly Request[];
} = {
  what: "Requests signed with HMAC-SHA256, and what a server makes of them; README.md explains.",
  head: "POST\n<path>\n<x-timestamp>\n<x-nonce>\n",
  signature:
    "lower-case hexadecimal HMAC-SHA256 of the head followed by the bytes of the message, keyed with the ASCII bytes of the secret, hs- included",
  audience,
  pastSeconds: 300,
  futureSeconds: 5,
  keys: Object.values(keys).filter(({ id }) => id !== keys.unknown.id),
  requests,
};
