import { status } from "@grpc/grpc-js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePageToken, encodePageToken } from "./page-token.ts";
import { RpcError } from "./rpc-error.ts";

// Well-formed: a row's key is never half a character.
const text = fc.string({ minLength: 1, unit: "grapheme" });
const refused = expect.objectContaining({ name: RpcError.name, code: status.INVALID_ARGUMENT });

function decoded(token: string, list: string): unknown {
  try {
    return decodePageToken(token, list);
  } catch (error) {
    return error;
  }
}

test("a token gives back the position that it was made of", () => {
  fc.assert(
    fc.property(fc.string(), text, (list, after) => {
      const token = encodePageToken({ list, after });
      expect(token).toMatch(/^[A-Za-z0-9_-]+$/u);
      expect(decodePageToken(token, list)).toBe(after);
    }),
  );
});

test("the empty token is the first page", () => {
  expect(decodePageToken("", "orders")).toBe("");
});

test("refuses a token in which any character was changed, added or removed", () => {
  const character = fc.constantFrom("A", "B", "a", "z", "0", "9", "-", "_", "=", "+", "/", ".", " ", "\n");
  fc.assert(
    fc.property(text, fc.nat(), fc.constantFrom(0, 1), fc.option(character), (after, at, removed, put) => {
      const token = encodePageToken({ list: "orders", after });
      const index = at % (token.length + 1);
      const tampered = token.slice(0, index) + (put ?? "") + token.slice(index + removed);
      fc.pre(tampered !== token && tampered !== "");
      expect(decoded(tampered, "orders")).toEqual(refused);
    }),
  );
});

test("refuses a token of another list", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), text, (list, other, after) => {
      fc.pre(list !== other);
      expect(decoded(encodePageToken({ list, after }), other)).toEqual(refused);
    }),
  );
});

test("refuses what never was a token", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (token) => {
      expect(decoded(token, "orders")).toEqual(refused);
    }),
  );
});
