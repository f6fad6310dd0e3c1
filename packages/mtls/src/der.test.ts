import { describe, expect, test } from "vitest";
import { DerError, derOnly, derValues } from "./der.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("derValues", () => {
  test("reads values one after the other", () => {
    expect(derValues(hex("0101ff 0500"))).toEqual([
      { tag: 1, content: hex("ff"), bytes: hex("0101ff") },
      { tag: 5, content: hex(""), bytes: hex("0500") },
    ]);
  });

  test("reads long lengths", () => {
    const content = Buffer.alloc(300, 7);
    expect(derOnly(Buffer.concat([hex("0482012c"), content]), 4)).toEqual(content);
  });

  test.each([
    ["an indefinite length", "3080 0500 0000"],
    ["a length in more bytes than it needs", "048105 0102030405"],
    ["a length with a leading zero", `04820080${"00".repeat(128)}`],
    ["a length of four bytes", "048401000000"],
    ["a value that ends early", "0402 01"],
    ["a length that ends early", "0482 01"],
    ["a tag without a length", "04"],
    ["a tag of two bytes", "1f8101 00"],
  ])("refuses %s", (_what, bytes) => {
    expect(() => derValues(hex(bytes))).toThrow(DerError);
  });

  test("refuses another tag and a second value", () => {
    expect(() => derOnly(hex("0500"), 4)).toThrow(DerError);
    expect(() => derOnly(hex("0400 0400"), 4)).toThrow(DerError);
  });
});
