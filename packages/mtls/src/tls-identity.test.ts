import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { createCa } from "@zero-trust/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { identityFromDirectory, identityFromMemory, TlsIdentityError } from "./tls-identity.ts";

const ca = await createCa();
const spiffeId = "spiffe://production.internal/order-service";
const good = await ca.issue({ spiffeId });
const other = await ca.issue({ spiffeId });
const keyBody = good.key.split("\n")[1] ?? "";
const MINUTE_MS = 60_000;
const minutes = (count: number) => new Date(Date.now() + count * MINUTE_MS);

describe("identityFromDirectory", () => {
  let directory: string;
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  const message = () => {
    try {
      return identityFromDirectory(directory).spiffeId;
    } catch (error) {
      return error instanceof TlsIdentityError ? error.message : String(error);
    }
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "identity-"));
    write("tls.crt", good.cert);
    write("tls.key", good.key);
    write("ca.crt", good.ca);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("reads tls.crt, tls.key and ca.crt", () => {
    const identity = identityFromDirectory(directory);
    const leaf = new X509Certificate(good.cert);
    expect(identity.spiffeId).toBe(spiffeId);
    expect(Buffer.from(identity.thumbprint, "base64url").toString("hex").toUpperCase()).toBe(
      leaf.fingerprint256.replaceAll(":", ""),
    );
    expect(identity.material.cert).toBe(good.cert);
    expect(identity.material.key).toBe(good.key);
  });

  test.each(["tls.crt", "tls.key", "ca.crt"])("names %s when it is missing", (name) => {
    rmSync(join(directory, name));
    expect(message()).toBe(
      `${join(directory, name)} does not exist; a TLS directory holds tls.crt, tls.key and ca.crt.`,
    );
  });

  test("names the file when the directory is missing", () => {
    expect(() => identityFromDirectory(join(directory, "nowhere"))).toThrow(/nowhere\/tls\.crt does not exist/);
  });

  test("names a file that cannot be read", () => {
    const path = join(directory, "tls.key");
    rmSync(path);
    // A directory in its place cannot be read by any user, root included.
    mkdirSync(path);
    expect(message()).toBe(`${path} cannot be read; check that this user may read the file.`);
  });

  test.each([
    ["tls.crt", "nonsense", /tls\.crt holds no certificate in PEM; issue it again\.$/],
    ["ca.crt", "", /ca\.crt holds no certificate in PEM; issue it again\.$/],
    ["tls.crt", good.key, /tls\.crt holds no certificate in PEM/],
    ["tls.crt", good.cert.slice(0, 200), /tls\.crt holds no certificate in PEM/],
    ["tls.crt", good.cert.replace("MII", "AAA"), /tls\.crt holds a damaged certificate/],
    ["tls.key", "nonsense", /tls\.key holds no unencrypted private key in PEM/],
    ["tls.key", good.key.slice(0, 80), /tls\.key holds no unencrypted private key in PEM/],
    ["tls.key", other.key, /tls\.key does not belong to .*tls\.crt; issue the two together\.$/],
    ["ca.crt", good.cert, /ca\.crt holds a certificate that is not a CA's/],
  ])("says what is wrong with %s (%#)", (name, text, expected) => {
    write(name, text);
    expect(message()).toMatch(expected);
    expect(message()).not.toContain(keyBody);
  });
});

describe("identityFromMemory", () => {
  test.each([
    ["expired", { notBefore: minutes(-60), notAfter: minutes(-1) }, /^The certificate expired at /],
    [
      "not valid yet",
      { notBefore: minutes(10), notAfter: minutes(60) },
      /^The certificate is not valid before .*; check this machine's clock\.$/,
    ],
    ["not an X509-SVID", { uris: [] }, /^The certificate is not an X509-SVID; issue one that is\./],
  ])("refuses a certificate that is %s", async (_what, leaf, expected) => {
    const material = await ca.issue({ spiffeId, ...leaf });
    expect(() => identityFromMemory(material)).toThrow(expected);
  });

  test("does not show its private key when it is printed, serialized or spread", () => {
    const identity = identityFromMemory(good);
    const shown = [
      inspect(identity, { showHidden: true, getters: true, depth: 10 }),
      JSON.stringify(identity),
      JSON.stringify({ ...identity }),
      inspect(identity.material),
      JSON.stringify(identity.material),
      JSON.stringify(structuredClone(identity.material)),
    ];
    expect(keyBody).toHaveLength(64);
    for (const text of shown) {
      expect(text).not.toContain(keyBody);
      expect(text).not.toContain("PRIVATE");
    }
  });

  test("does not put the private key into an error", () => {
    const damaged = { ...good, key: good.key.replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\nA") };
    let thrown: unknown;
    try {
      identityFromMemory(damaged);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TlsIdentityError);
    expect(inspect(thrown, { showHidden: true, depth: 10 })).not.toContain(keyBody);
  });
});
