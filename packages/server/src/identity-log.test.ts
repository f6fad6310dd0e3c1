import { TlsIdentityError } from "@zero-trust/mtls";
import { expect, test } from "vitest";
import { identityLog } from "./identity-log.ts";
import { createLog } from "./log.ts";

test("writes down what becomes of the certificates, whatever the level", () => {
  const lines: string[] = [];
  const log = createLog({ name: "test", level: "silent", destination: { write: (line) => void lines.push(line) } });
  const record = identityLog(log);
  record({ type: "reloaded", thumbprint: "abc", expiresAtMs: 0 });
  record({ type: "rejected", error: new TlsIdentityError("tls.key does not belong to tls.crt.") });
  record({ type: "expiring", what: "crl", endsAtMs: 1000 });
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: "info", certificate: "abc", expiresAt: "1970-01-01T00:00:00.000Z", msg: "certificates reloaded" },
    { level: "error", reason: "tls.key does not belong to tls.crt." },
    { level: "warn", what: "crl", endsAt: "1970-01-01T00:00:01.000Z" },
  ]);
});
