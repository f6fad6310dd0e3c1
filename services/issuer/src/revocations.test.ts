import { expect, test } from "vitest";
import { MAX_DOCUMENT_BYTES, type Revocations, revocationDocument } from "./revocations.ts";

const tokensOf = (client: string | undefined, count: number) =>
  Array.from({ length: count }, (_, at) => ({ jti: `${client ?? "operator"}-${at}`, client, exp: 1_795_000_300 + at }));

const none: Revocations = { tokens: [], clients: [] };
const parsed = (...revocations: Parameters<typeof revocationDocument>) =>
  JSON.parse(revocationDocument(...revocations)) as {
    tokens: { jti: string; exp: number }[];
    clients: { client_id: string; before: number }[];
  };

test("names each token once, and of a client the latest time", () => {
  const [token] = tokensOf("a", 1);
  const at = (before: number): Revocations => ({
    tokens: token === undefined ? [] : [token],
    clients: [{ client: "a", before }],
  });
  expect(parsed([at(7), at(9), at(8)])).toEqual({
    tokens: [{ jti: "a-0", exp: 1_795_000_300 }],
    clients: [{ client_id: "a", before: 9 }],
  });
});

test("that would be too large names the client of most tokens instead, until the last of them was issued", () => {
  const tokens = [...tokensOf("few", 3), ...tokensOf("many", 30_000), ...tokensOf(undefined, 3)];
  const text = revocationDocument([{ ...none, tokens }]);
  expect(text.length).toBeLessThan(MAX_DOCUMENT_BYTES);
  const { tokens: left, clients } = parsed([{ ...none, tokens }]);
  expect(left.map(({ jti }) => jti)).toEqual(["few-0", "few-1", "few-2", "operator-0", "operator-1", "operator-2"]);
  // All tokens are good for 300 s, so this is when the last one was issued.
  expect(clients).toEqual([{ client_id: "many", before: 1_795_000_000 + 29_999 }]);
});

test("names no client more than it has to", () => {
  const tokens = [...tokensOf("a", 20), ...tokensOf("b", 10)];
  const limit = JSON.stringify({ tokens, clients: [] }).length / 2;
  expect(parsed([{ ...none, tokens }], limit).clients.map(({ client_id }) => client_id)).toEqual(["a"]);
  expect(parsed([{ ...none, tokens }], 200).clients.map(({ client_id }) => client_id)).toEqual(["a", "b"]);
});

test("is not made when it is too large all the same", () => {
  expect(() => revocationDocument([{ ...none, tokens: tokensOf(undefined, 30_000) }])).toThrow(
    "more than 1048576 bytes",
  );
});
