import fc from "fast-check";
import type { RawCall } from "../raw-call.ts";

/** The metadata keys that credentials are read from. */
export const credentialKeys: readonly string[] = [
  "authorization",
  "x-api-key",
  "x-timestamp",
  "x-nonce",
  "x-signature",
];
/** Keys that nothing may depend on. */
const otherKeys = ["x-client-cn", "x-forwarded-client-cert", "__proto__", "constructor", "x-signature-2", "cookie"];

const key = fc.constantFrom(...credentialKeys);
/** Any byte of a header, those that should never be in one among them; but NUL, with which Node's client ends a field. */
const text = fc.string({
  unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 12,
});
const kind = <T extends string>(type: T) => fc.constant(type);

/** Something that is done to a call, as data, so that a failure can be printed and made smaller. */
export type Change =
  | { readonly type: "flip"; readonly key: string; readonly at: number; readonly bit: number }
  | { readonly type: "cut"; readonly key: string; readonly at: number }
  | { readonly type: "append"; readonly key: string; readonly text: string }
  | { readonly type: "case" | "remove" | "rename"; readonly key: string }
  | { readonly type: "long"; readonly key: string; readonly length: number }
  | { readonly type: "swap"; readonly key: string; readonly other: string }
  | { readonly type: "twice"; readonly key: string; readonly text: string | null }
  | { readonly type: "add"; readonly key: string; readonly text: string }
  | { readonly type: "reverse" }
  | { readonly type: "message flip"; readonly which: number; readonly at: number; readonly bit: number }
  | { readonly type: "message longer"; readonly which: number; readonly bytes: Uint8Array };

export const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ type: kind("flip"), key, at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ type: kind("cut"), key, at: fc.nat() }),
  fc.record({ type: kind("append"), key, text }),
  fc.record({ type: fc.constantFrom("case", "remove", "rename"), key }),
  fc.record({ type: kind("long"), key, length: fc.nat(20_000) }),
  fc.record({ type: kind("swap"), key, other: key }),
  // Not `authorization`: Node's client sends it once only.
  fc.record({ type: kind("twice"), key: fc.constantFrom(...credentialKeys.slice(1)), text: fc.option(text) }),
  fc.record({ type: kind("add"), key: fc.constantFrom(...otherKeys), text }),
  fc.record({ type: kind("reverse") }),
  fc.record({ type: kind("message flip"), which: fc.nat(), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ type: kind("message longer"), which: fc.nat(), bytes: fc.uint8Array({ maxLength: 40 }) }),
);

/** A call to which one thing was done. */
export function changed(call: RawCall, one: Change): RawCall {
  const { headers } = call;
  const value = (name: string) => headers.find(([each]) => each === name)?.[1];
  const withValue = (name: string, to: (old: string) => string): RawCall => ({
    ...call,
    headers: headers.map(([each, old]) => [each, each === name ? to(old) : old]),
  });
  const withMessage = (which: number, to: (old: Buffer) => Uint8Array): RawCall => ({
    ...call,
    messages: call.messages.map((old, at) => (at === which % call.messages.length ? to(Buffer.from(old)) : old)),
  });
  switch (one.type) {
    case "flip":
      return withValue(one.key, (old) =>
        flipped(Buffer.from(old, "latin1"), one.at, one.bit).toString("latin1").replaceAll("\0", ""),
      );
    case "cut":
      return withValue(one.key, (old) => old.slice(0, one.at % (old.length + 1)));
    case "append":
      return withValue(one.key, (old) => old + one.text);
    case "case":
      return withValue(one.key, (old) => (old === old.toUpperCase() ? old.toLowerCase() : old.toUpperCase()));
    case "long":
      return withValue(one.key, (old) => old.padEnd(one.length, "0"));
    case "swap":
      return withValue(one.key, (old) => value(one.other) ?? old);
    case "remove":
      return { ...call, headers: headers.filter(([name]) => name !== one.key) };
    case "twice":
      return value(one.key) === undefined
        ? call
        : { ...call, headers: [...headers, [one.key, one.text ?? value(one.key) ?? ""]] };
    case "rename":
      return { ...call, headers: headers.map(([name, old]) => [name === one.key ? name.toUpperCase() : name, old]) };
    case "add":
      return { ...call, headers: [...headers, [one.key, one.text]] };
    case "reverse":
      return { ...call, headers: headers.toReversed() };
    case "message flip":
      return withMessage(one.which, (old) => flipped(old, one.at, one.bit));
    case "message longer":
      return withMessage(one.which, (old) => Buffer.concat([old, one.bytes]));
  }
}

function flipped(bytes: Buffer, at: number, bit: number): Buffer {
  return bytes.map((byte, index) => (index === at % bytes.length ? byte ^ (1 << bit) : byte)) as Buffer;
}
