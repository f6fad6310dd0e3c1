import { readdirSync, readFileSync } from "node:fs";
import { PingService } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { cells } from "./matrix.ts";

const names: Readonly<Record<string, string>> = {
  unary: "unary",
  server_streaming: "server-streaming",
  client_streaming: "client-streaming",
  bidi_streaming: "bidirectional",
};

test("every kind of call has a file in which the claims of the matrix are made of it", () => {
  const files = readdirSync(import.meta.dirname).map((name) => readFileSync(`${import.meta.dirname}/${name}`, "utf8"));
  const claimed = files.flatMap((text) => /^matrix\(\{\n {2}name: "(.*)",/mu.exec(text)?.[1] ?? []);
  const kinds = PingService.methods.map(({ methodKind }) => names[methodKind]);
  expect(new Set(claimed)).toEqual(new Set(kinds));
  expect(claimed).toHaveLength(4);
});

test("the matrix has a cell for everything that a call can come to", () => {
  expect(Object.keys(cells)).toEqual([
    "is answered",
    "fails before the first message",
    "fails after some messages, which arrive",
    "is cancelled by its caller",
    "is cancelled by its handler, which ends the requests",
    "is cut off by its server, which tells both sides",
    "ends at its deadline, on both sides",
    "refuses a request that is too large, and serves the next",
    "refuses a response that is too large, on either side",
    "carries metadata both ways, text and bytes",
    "carries trailers with its status, good or bad",
    "throws what its caller's listeners throw",
    "answers INTERNAL without text, and reports the cause, whatever else is thrown",
  ]);
});
