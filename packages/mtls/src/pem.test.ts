import { describe, expect, test } from "vitest";
import { pemBlocks } from "./pem.ts";

const block = (label: string, body = "AAAA") => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

describe("pemBlocks", () => {
  test("gives the blocks of one label, in their order, without what is around them", () => {
    const text = `# one\r\n${block("A", "AA==")}${block("B")}two\n${block("A", "BB==")}`;
    expect(pemBlocks(text, "A")).toEqual({ blocks: [block("A", "AA=="), block("A", "BB==")], unfinished: false });
  });

  test.each([
    ["a block without its end", `${block("A")}-----BEGIN A-----\nAAAA`],
    ["an end that is cut", block("A").slice(0, -3)],
    ["an end without its beginning", `${block("A")}AAAA\n-----END A-----\n`],
    ["another label at the end", "-----BEGIN A-----\nAAAA\n-----END B-----\n"],
    ["a block in a block", `-----BEGIN A-----\n${block("A")}`],
  ])("says that %s is unfinished", (_what, text) => {
    expect(pemBlocks(text, "A").unfinished).toBe(true);
  });

  test("takes a long text of beginnings in no time", () => {
    expect(pemBlocks("-----BEGIN A-----\n".repeat(20_000), "A")).toEqual({ blocks: [], unfinished: true });
  });
});
