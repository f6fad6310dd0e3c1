import { createLog } from "@zero-trust/server";
import { expect, test } from "vitest";
import { tokenLog } from "./token-log.ts";

test.each(["info", "error", "silent"])("writes every token request at level %s", (level) => {
  const lines: string[] = [];
  const log = createLog({ name: "issuer", level, destination: { write: (line) => lines.push(line) } });
  tokenLog(log)({ outcome: "refused", error: "invalid_client" });
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { log: "token", outcome: "refused", error: "invalid_client", msg: "token request" },
  ]);
});

test("writes what was asked for, and nothing that has not the form of it", () => {
  const lines: string[] = [];
  const write = tokenLog(createLog({ name: "issuer", destination: { write: (line) => lines.push(line) } }));
  const [order, secret] = ["https://order.production.internal", "kIzVlc_rTkQm0PxXTF5TvZW2qQ4rxs7z0cc6xEAfbE8"];
  write({ outcome: "refused", audience: order, scope: `read:orders ${secret}` });
  write({ outcome: "refused", audience: [order, secret], scope: [secret] });
  write({ outcome: "refused", audience: secret, scope: secret });
  write({ outcome: "refused" });
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(records.map(({ audience, scopes }) => [audience, scopes])).toEqual([
    [order, ["read:orders", "?"]],
    [`${order} ?`, undefined],
    ["?", ["?"]],
    [undefined, undefined],
  ]);
  expect(lines.join("")).not.toContain(secret);
});
