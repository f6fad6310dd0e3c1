import { BytesValueSchema, StringValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeMessage, encodeMessage } from "./message-codec.ts";

test("reads back what it wrote", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (value) => {
      expect(decodeMessage(StringValueSchema, encodeMessage(StringValueSchema, { value })).value).toBe(value);
    }),
  );
});

test("gives bytes that the network's buffer does not share", () => {
  const wire = encodeMessage(BytesValueSchema, { value: Uint8Array.of(1, 2, 3) });
  const { value } = decodeMessage(BytesValueSchema, wire);
  wire.fill(0);
  expect([...value]).toEqual([1, 2, 3]);
  expect(value).not.toBeInstanceOf(Buffer);
});

test("keeps fields that it does not know", () => {
  const wire = Buffer.from([0x98, 0x06, 0x01]);
  expect(encodeMessage(StringValueSchema, decodeMessage(StringValueSchema, wire))).toEqual(wire);
});

test("refuses what is no object", () => {
  expect(() => encodeMessage(StringValueSchema, undefined as never)).toThrow(TypeError);
});
