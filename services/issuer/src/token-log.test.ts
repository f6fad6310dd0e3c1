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
