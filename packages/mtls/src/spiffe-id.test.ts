import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSpiffeId, SpiffeIdError } from "./spiffe-id.ts";

const letters = (alphabet: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet.split("")), minLength: 1, maxLength });
const lower = "abcdefghijklmnopqrstuvwxyz0123456789._-";
const trustDomains = letters(lower, 255);
const segments = letters(`${lower}ABCDEFGHIJKLMNOPQRSTUVWXYZ`, 30).filter(
  (segment) => segment !== "." && segment !== "..",
);
const paths = fc.array(segments, { maxLength: 10 });

describe("parseSpiffeId", () => {
  test("takes apart a workload's ID", () => {
    expect(parseSpiffeId("spiffe://production.internal/order-service")).toEqual({
      uri: "spiffe://production.internal/order-service",
      trustDomain: "production.internal",
      path: "/order-service",
    });
  });

  test("takes a trust domain's ID, whose path is empty", () => {
    expect(parseSpiffeId("spiffe://production.internal").path).toBe("");
  });

  test("takes every ID of the grammar, and puts nothing in and leaves nothing out", () => {
    fc.assert(
      fc.property(trustDomains, paths, (trustDomain, parts) => {
        const path = parts.map((part) => `/${part}`).join("");
        const uri = `spiffe://${trustDomain}${path}`;
        expect(parseSpiffeId(uri)).toEqual({ uri, trustDomain, path });
      }),
    );
  });

  test("refuses an ID with one character more that is not of the grammar, wherever it stands", () => {
    const strangers = fc.string({ minLength: 1, maxLength: 1, unit: "binary" });
    fc.assert(
      fc.property(
        trustDomains,
        paths,
        strangers.filter((character) => !/[A-Za-z0-9._/-]/.test(character)),
        fc.nat(),
        (trustDomain, parts, stranger, at) => {
          const uri = `spiffe://${[trustDomain, ...parts].join("/")}`;
          const where = at % (uri.length + 1);
          const bad = uri.slice(0, where) + stranger + uri.slice(where);
          expect(() => parseSpiffeId(bad)).toThrow(SpiffeIdError);
        },
      ),
    );
  });

  test("throws SpiffeIdError, nothing else, for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(() => parseSpiffeId(`spiffe://${text}%`)).toThrow(SpiffeIdError);
      }),
    );
  });

  const longest = `spiffe://p.i/${"a".repeat(2048 - "spiffe://p.i/".length)}`;

  test("takes 2048 bytes and refuses 2049", () => {
    expect(parseSpiffeId(longest).uri).toHaveLength(2048);
    expect(() => parseSpiffeId(`${longest}a`)).toThrow("at most 2048 bytes");
  });

  test.each([
    ["nothing", ""],
    ["another scheme", "https://production.internal/a"],
    ["an upper-case scheme", "SPIFFE://production.internal/a"],
    ["no trust domain", "spiffe:///a"],
    ["nothing after the scheme", "spiffe://"],
    ["an upper-case trust domain", "spiffe://Production.internal/a"],
    ["a trust domain of 256 bytes", `spiffe://${"a".repeat(256)}/a`],
    ["a port", "spiffe://production.internal:443/a"],
    ["a user", "spiffe://me@production.internal/a"],
    ["a query", "spiffe://production.internal/a?b"],
    ["a fragment", "spiffe://production.internal/a#b"],
    ["percent-encoding", "spiffe://production.internal/%61"],
    ["a trailing slash", "spiffe://production.internal/a/"],
    ["a trust domain's trailing slash", "spiffe://production.internal/"],
    ["an empty segment", "spiffe://production.internal/a//b"],
    ["a dot segment", "spiffe://production.internal/a/./b"],
    ["two dots", "spiffe://production.internal/a/../b"],
    ["a comma", "spiffe://production.internal/a,b"],
    ["a NUL byte", "spiffe://production.internal/a\0"],
    ["a line feed at the end", "spiffe://production.internal/a\n"],
    ["a letter that looks like another", "spiffe://production.internal/ord\u0435r"],
  ])("refuses %s", (_what, uri) => {
    expect(() => parseSpiffeId(uri)).toThrow(SpiffeIdError);
  });

  test("shows in its message nothing that a terminal would obey", () => {
    expect(() => parseSpiffeId("spiffe://a/\u001b[2J\n\u202e")).toThrow(/^[\x20-\x7e]+$/);
  });
});
