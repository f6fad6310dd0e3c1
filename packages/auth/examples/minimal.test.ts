import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityFromDirectory } from "@zero-trust/mtls";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { newApiKey, newKeyEncryptionKey, newSigningKey, sealSigningKeys } from "../src/issue.ts";
import { json, startIssuerServer } from "../test/issuer-server.ts";
import { outcomeOf } from "../test/ping-client.ts";
import { idOf } from "../test/ping-server.ts";
import { callAll } from "./minimal-client.ts";
import { startServer } from "./minimal-server.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zt-example-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("the examples are 120 lines, and each credential lets its client in", async () => {
  const lines = ["minimal-server.ts", "minimal-client.ts"].map(
    (name) =>
      readFileSync(new URL(name, import.meta.url), "utf8")
        .trimEnd()
        .split("\n").length,
  );
  expect(lines.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(120);

  const ca = await createCa();
  const write = (path: string, content: unknown) =>
    writeFileSync(join(folder, path), typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
  for (const [name, workload] of [
    ["tls", "greeter"],
    ["caller", "caller"],
    ["stranger", "stranger"],
  ] as const) {
    const leaf = await ca.issue({ spiffeId: idOf(workload) });
    mkdirSync(join(folder, name));
    write(`${name}/tls.crt`, leaf.cert);
    write(`${name}/tls.key`, leaf.key);
    write(`${name}/ca.crt`, leaf.ca);
  }
  const audience = "https://greeter.production.internal";
  const [key, signing, kek] = [newApiKey("live"), newSigningKey(), newKeyEncryptionKey()];
  write("grants.json", { grants: [{ spiffeId: idOf("caller"), client: "by-grant", scopes: ["greet"] }] });
  write("api-keys.json", {
    keys: [{ id: key.id, client: "by-key", audience, scopes: ["greet"], secrets: [{ sha256: key.sha256 }] }],
  });
  write("kek", kek.expose());
  write(
    "signing-keys.json",
    sealSigningKeys([{ ...signing, client: "by-signature", audience, scopes: ["greet"] }], kek),
  );
  await using issuer = await startIssuerServer(ca);
  const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
  issuer.answer = json(tokens.jwks);

  // A nonce store that has just started vouches for nothing yet: let the server's clock have started earlier.
  const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() - 60_000);
  const starting = startServer(folder, issuer.url.host);
  clock.mockRestore();
  const server = await starting;
  const log = vi.spyOn(console, "log").mockReturnValue();
  try {
    const token = (from: string) => {
      const cnf = { "x5t#S256": identityFromDirectory(join(folder, from)).thumbprint };
      return {
        token: () => tokens.sign({ aud: audience, sub: "by-token", client_id: "by-token", scope: "greet", cnf }),
      };
    };
    const secrets = {
      key: key.key.expose(),
      tokens: token("caller"),
      signing: { keyId: signing.id, secret: signing.secret.expose() },
    };
    const target = `127.0.0.1:${server.port}`;
    expect(await callAll(join(folder, "caller"), target, secrets)).toEqual([
      "by-grant",
      "by-key",
      "by-token",
      "by-signature",
    ]);
    const refused = await callAll(join(folder, "stranger"), target, secrets).catch(outcomeOf);
    expect(refused).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
    expect(log).toHaveBeenCalledTimes(5);
  } finally {
    log.mockRestore();
    server.close();
  }
});
