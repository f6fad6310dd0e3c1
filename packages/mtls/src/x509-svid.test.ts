import { X509Certificate } from "node:crypto";
import { createCa, extendedKeyUsage, type LeafOptions } from "@zero-trust/testkit";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { certificateExtensions } from "./certificate-extensions.ts";
import { parseX509Svid, X509SvidError } from "./x509-svid.ts";

const ca = await createCa();
const spiffeId = "spiffe://production.internal/order-service";

async function der(options: LeafOptions): Promise<Buffer> {
  return new X509Certificate((await ca.issue(options)).cert).raw;
}

describe("parseX509Svid", () => {
  test("reads a good certificate", async () => {
    const raw = await der({ spiffeId });
    const svid = parseX509Svid(raw, ["client", "server"]);
    const node = new X509Certificate(raw);
    expect(svid.spiffeId.uri).toBe(spiffeId);
    expect(svid.serialNumber).toBe(node.serialNumber);
    expect(Buffer.from(svid.thumbprint, "base64url").toString("hex")).toBe(
      node.fingerprint256.replaceAll(":", "").toLowerCase(),
    );
    expect(svid.notAfterMs).toBe(Date.parse(node.validTo));
  });

  test.each<[string, LeafOptions, string]>([
    ["no URI SAN", { spiffeId, uris: [] }, "0 URI SANs"],
    ["no SAN at all, whatever its CN", { commonName: spiffeId }, "0 URI SANs"],
    ["two URI SANs", { uris: [spiffeId, "spiffe://production.internal/b"] }, "2 URI SANs"],
    ["the same URI SAN twice", { uris: [spiffeId, spiffeId] }, "2 URI SANs"],
    ["a URI SAN besides", { uris: [spiffeId, "https://order"] }, "2 URI SANs"],
    ["a SPIFFE ID as DNS name", { dns: [spiffeId] }, "0 URI SANs"],
    ["a CA", { spiffeId, basicConstraintsCa: true }, "is a CA's"],
    ["no key usage", { spiffeId, keyUsage: null }, "lacks digitalSignature"],
    ["another key usage", { spiffeId, keyUsage: ["keyAgreement"] }, "lacks digitalSignature"],
    ["keyCertSign", { spiffeId, keyUsage: ["digitalSignature", "keyCertSign"] }, "may sign"],
    ["cRLSign", { spiffeId, keyUsage: ["digitalSignature", "cRLSign"] }, "may sign"],
    ["no extended key usage", { spiffeId, eku: null }, "lacks clientAuth"],
    ["serverAuth only", { spiffeId, eku: [extendedKeyUsage.serverAuth] }, "lacks clientAuth"],
    ["any extended key usage", { spiffeId, eku: [extendedKeyUsage.any] }, "lacks clientAuth"],
    ["a trust domain", { uris: ["spiffe://production.internal"] }, "not a workload"],
    ["a comma", { uris: [`${spiffeId}, URI:spiffe://production.internal/b`] }, "not a SPIFFE ID"],
    ["a NUL byte", { uris: [`${spiffeId}\0.evil`] }, "not a SPIFFE ID"],
    ["percent", { uris: ["spiffe://production.internal/order%2dservice"] }, "not a SPIFFE ID"],
    ["dot segments", { uris: ["spiffe://production.internal/b/../order"] }, "not a SPIFFE ID"],
    ["upper case", { uris: ["spiffe://PRODUCTION.internal/order"] }, "not a SPIFFE ID"],
    ["a port", { uris: ["spiffe://production.internal:1/order"] }, "not a SPIFFE ID"],
    ["a trailing slash", { uris: [`${spiffeId}/`] }, "not a SPIFFE ID"],
    ["2049 bytes", { uris: [spiffeId.padEnd(2049, "a")] }, "at most 2048"],
  ])("refuses %s", async (_what, options, message) => {
    const raw = await der({ dns: [], ...options });
    expect(() => parseX509Svid(raw, ["client"])).toThrow(X509SvidError);
    expect(() => parseX509Svid(raw, ["client"])).toThrow(message);
  });

  test("takes no basicConstraints for no CA", async () => {
    const raw = await der({ spiffeId, basicConstraintsCa: null });
    expect(parseX509Svid(raw, ["client"]).spiffeId.uri).toBe(spiffeId);
  });

  test("asks only for the use that is needed", async () => {
    const raw = await der({ spiffeId, eku: [extendedKeyUsage.clientAuth] });
    expect(parseX509Svid(raw, ["client"]).spiffeId.uri).toBe(spiffeId);
    expect(() => parseX509Svid(raw, ["server"])).toThrow("lacks serverAuth");
  });

  test("refuses bytes before, after and instead of a certificate", async () => {
    const raw = await der({ spiffeId });
    for (const bad of [Buffer.concat([raw, Buffer.alloc(1)]), raw.subarray(1), Buffer.alloc(0)]) {
      expect(() => parseX509Svid(bad, ["client"])).toThrow("cannot be read");
    }
  });

  test("throws X509SvidError, nothing else, for a certificate with any one byte changed or cut anywhere", async () => {
    const raw = await der({ spiffeId });
    const refusal = (bytes: Uint8Array): unknown => {
      try {
        parseX509Svid(bytes, ["client"]);
        return undefined;
      } catch (error) {
        return error;
      }
    };
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.from(raw);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        expect(refusal(bytes) ?? new X509SvidError()).toBeInstanceOf(X509SvidError);
        expect(refusal(raw.subarray(0, at))).toBeInstanceOf(X509SvidError);
      }),
      { numRuns: 300 },
    );
  });
});

describe("certificateExtensions", () => {
  test("reads every URI SAN byte for byte, whatever is in it", async () => {
    const ascii = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.array(ascii, { minLength: 1, maxLength: 4 }), async (uris) => {
        expect(certificateExtensions(await der({ uris, dns: ["a.b"] })).uris).toEqual(uris);
      }),
      { numRuns: 20 },
    );
  });
});
