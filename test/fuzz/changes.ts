import type { Workload } from "@zero-trust/infra/names";
import fc from "fast-check";
import { serviceOfPath, type WireCall } from "./made-call.ts";

/** The metadata keys that credentials are read from. */
const credentialKeys = ["authorization", "x-api-key", "x-timestamp", "x-nonce", "x-signature"] as const;
/** Keys that nothing may depend on. */
const otherKeys = [
  "x-client-cn",
  "x-forwarded-client-cert",
  "__proto__",
  "constructor",
  "x-signature-2",
  "cookie",
] as const;
const workloads: readonly Workload[] = [
  "storefront",
  "order-service",
  "payment-service",
  "reporting",
  "partner",
  "stranger",
];

const key = fc.constantFrom(...credentialKeys);
const position = fc.nat(10_000);
/** Any byte of a header, those that should never be in one among them; but NUL, with which Node's client ends a field. */
const text = fc.string({
  unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 12,
});

/** Something that is done to a call, as data, so that a failure can be kept in a file and made smaller. */
export type Change =
  | { readonly type: "flip"; readonly key: string; readonly at: number; readonly bit: number }
  | { readonly type: "cut"; readonly key: string; readonly at: number }
  | { readonly type: "append"; readonly key: string; readonly text: string }
  | { readonly type: "case"; readonly key: string }
  | { readonly type: "remove"; readonly key: string }
  | { readonly type: "rename"; readonly key: string }
  | { readonly type: "long"; readonly key: string; readonly length: number }
  | { readonly type: "swap"; readonly key: string; readonly other: string }
  | { readonly type: "twice"; readonly key: string; readonly text: string | null }
  | { readonly type: "add"; readonly key: string; readonly text: string }
  | { readonly type: "reverse headers" }
  | { readonly type: "reverse messages" }
  | { readonly type: "workload"; readonly as: Workload }
  | { readonly type: "path"; readonly of: number }
  | { readonly type: "message flip"; readonly which: number; readonly at: number; readonly bit: number }
  | { readonly type: "message longer"; readonly which: number; readonly bytes: readonly number[] }
  | { readonly type: "message twice"; readonly which: number }
  | { readonly type: "message dropped"; readonly which: number };

export const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ type: fc.constant("flip" as const), key, at: position, bit: fc.nat(7) }),
  fc.record({ type: fc.constant("cut" as const), key, at: position }),
  fc.record({ type: fc.constant("append" as const), key, text }),
  fc.record({ type: fc.constantFrom("case" as const, "remove" as const, "rename" as const), key }),
  fc.record({ type: fc.constant("long" as const), key, length: fc.nat(10_000) }),
  fc.record({ type: fc.constant("swap" as const), key, other: key }),
  // Not `authorization`: Node's client sends it once only.
  fc.record({
    type: fc.constant("twice" as const),
    key: fc.constantFrom(...credentialKeys.slice(1)),
    text: fc.option(text),
  }),
  fc.record({ type: fc.constant("add" as const), key: fc.constantFrom(...otherKeys), text }),
  fc.record({ type: fc.constantFrom("reverse headers" as const, "reverse messages" as const) }),
  fc.record({ type: fc.constant("workload" as const), as: fc.constantFrom(...workloads) }),
  fc.record({ type: fc.constant("path" as const), of: fc.nat(100) }),
  fc.record({ type: fc.constant("message flip" as const), which: position, at: position, bit: fc.nat(7) }),
  fc.record({
    type: fc.constant("message longer" as const),
    which: position,
    bytes: fc.array(fc.nat(255), { maxLength: 40 }),
  }),
  fc.record({ type: fc.constantFrom("message twice" as const, "message dropped" as const), which: position }),
);

/** A call to which one thing was done. */
export function changed(call: WireCall, one: Change, paths: readonly string[]): WireCall {
  switch (one.type) {
    case "workload":
      return { ...call, as: one.as };
    case "path": {
      const path = paths[one.of % paths.length] ?? call.path;
      return { ...call, path, service: serviceOfPath(path) };
    }
    case "reverse messages":
      return { ...call, messages: call.messages.toReversed() };
    case "message flip":
    case "message longer":
    case "message twice":
    case "message dropped":
      return { ...call, messages: changedMessages(call.messages, one) };
    case "flip":
    case "cut":
    case "append":
    case "case":
    case "remove":
    case "rename":
    case "long":
    case "swap":
    case "twice":
    case "add":
    case "reverse headers":
      return { ...call, headers: changedHeaders(call.headers, one) };
  }
}

type MessageChange = Extract<Change, { readonly type: `message ${string}` }>;
type HeaderChange = Exclude<
  Change,
  MessageChange | { readonly type: "workload" } | { readonly type: "path" } | { readonly type: "reverse messages" }
>;

function changedMessages(messages: WireCall["messages"], one: MessageChange): WireCall["messages"] {
  return messages.flatMap((message, at) =>
    at === one.which % messages.length ? changedMessage(message, one) : [message],
  );
}

function changedMessage(message: Uint8Array, one: MessageChange): readonly Uint8Array[] {
  switch (one.type) {
    case "message dropped":
      return [];
    case "message twice":
      return [message, message];
    case "message flip":
      return [flipped(message, one.at, one.bit)];
    case "message longer":
      return [Buffer.concat([message, Uint8Array.from(one.bytes)])];
  }
}

function changedHeaders(headers: WireCall["headers"], one: HeaderChange): WireCall["headers"] {
  const value = (name: string) => headers.find(([each]) => each === name)?.[1];
  const withValue = (to: (old: string) => string) =>
    headers.map(([name, old]) => [name, "key" in one && name === one.key ? to(old) : old] as const);
  switch (one.type) {
    case "flip":
      return withValue((old) =>
        flipped(Buffer.from(old, "latin1"), one.at, one.bit).toString("latin1").replaceAll("\0", ""),
      );
    case "cut":
      return withValue((old) => old.slice(0, one.at % (old.length + 1)));
    case "append":
      return withValue((old) => old + one.text);
    case "case":
      return withValue((old) => (old === old.toUpperCase() ? old.toLowerCase() : old.toUpperCase()));
    case "long":
      return withValue((old) => old.padEnd(one.length, "0"));
    case "swap":
      return withValue((old) => value(one.other) ?? old);
    case "remove":
      return headers.filter(([name]) => name !== one.key);
    case "rename":
      return headers.map(([name, old]) => [name === one.key ? name.toUpperCase() : name, old]);
    case "twice":
      return value(one.key) === undefined ? headers : [...headers, [one.key, one.text ?? value(one.key) ?? ""]];
    case "add":
      return [...headers, [one.key, one.text]];
    case "reverse headers":
      return headers.toReversed();
  }
}

function flipped(bytes: Uint8Array, at: number, bit: number): Buffer {
  return Buffer.from(bytes.map((byte, index) => (index === at % bytes.length ? byte ^ (1 << bit) : byte)));
}
