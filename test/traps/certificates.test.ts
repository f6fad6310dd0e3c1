import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { createCa, extendedKeyUsage, type LeafOptions } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { certificateFolder } from "./certificate-folder.ts";
import { runChild } from "./child.ts";
import { echoClient } from "./echo-client.ts";
import { echoServer } from "./echo-server.ts";
import { tlsAttempt } from "./tls-attempt.ts";
import { clientTls, keyPair } from "./tls-credentials.ts";

const ca = await createCa();
const stranger = await createCa({ name: "Stranger" });
const server = await ca.issue({ spiffeId: "spiffe://production.internal/payment" });
const orderId = "spiffe://production.internal/order";
const caller = await ca.issue({ spiffeId: orderId });
const options = { "grpc.ssl_target_name_override": "payment.production.internal", "grpc.use_local_subchannel_pool": 1 };

const [root, intermediate, revoking, stale] = await Promise.all([
  ca.crl({ issuer: "root" }),
  ca.crl({ issuer: "intermediate" }),
  ca.crl({ issuer: "intermediate", revoked: [caller.cert] }),
  ca.crl({ issuer: "intermediate", nextUpdate: new Date(Date.now() - 1000) }),
]);

/** Serves whoever has a certificate of our CA. */
const serve = () =>
  echoServer({ credentials: grpc.ServerCredentials.createSsl(Buffer.from(ca.ca), [keyPair(server)], true) });

/** Credentials whose every TLS option can be replaced. */
class Reloadable extends grpc.ServerCredentials {
  constructor(context: SecureContextOptions) {
    super({ requestCert: true, rejectUnauthorized: true }, context);
  }
  reload(context: SecureContextOptions): void {
    this.updateSecureContextOptions(context);
  }
  override _equals(other: grpc.ServerCredentials): boolean {
    return this === other;
  }
}

describe("what Node takes for a client's certificate", () => {
  test.each<[string, LeafOptions]>([
    ["without an extended key usage", { spiffeId: orderId, eku: null }],
    ["that is a CA", { spiffeId: orderId, basicConstraintsCa: true }],
    ["that may sign certificates", { spiffeId: orderId, keyUsage: ["digitalSignature", "keyCertSign"] }],
    ["without basicConstraints", { spiffeId: orderId, basicConstraintsCa: null }],
    ["with two URI SANs", { uris: [orderId, "spiffe://production.internal/payment"] }],
    ["without a SAN", { dns: [], commonName: orderId }],
  ])("library: Node takes a client certificate %s", async (_what, leaf) => {
    using echo = await serve();
    expect(await tlsAttempt(echo.port, await ca.issue(leaf))).toMatchObject({ served: true });
  });

  test.each<[string, LeafOptions]>([
    ["for servers only", { spiffeId: orderId, eku: [extendedKeyUsage.serverAuth] }],
    ["for any use", { spiffeId: orderId, eku: [extendedKeyUsage.any] }],
    ["for code signing", { spiffeId: orderId, eku: [extendedKeyUsage.codeSigning] }],
    ["that has expired", { spiffeId: orderId, notAfter: new Date(Date.now() - 60_000) }],
    ["that is not yet valid", { spiffeId: orderId, notBefore: new Date(Date.now() + 3_600_000) }],
    ["signed by another leaf", { spiffeId: orderId, issuedByLeaf: true }],
    ["signed by itself", { spiffeId: orderId, selfSigned: true }],
  ])("library: Node refuses a client certificate %s, and the caller sees UNAVAILABLE", async (_what, leaf) => {
    const recent = leaf.notAfter === undefined ? {} : { notBefore: new Date(Date.now() - 120_000) };
    using echo = await serve();
    using bad = echoClient(echo.port, { credentials: clientTls(await ca.issue({ ...leaf, ...recent })), ...options });
    expect(await bad.call()).toMatchObject({ code: grpc.status.UNAVAILABLE });
    using good = echoClient(echo.port, { credentials: clientTls(caller), ...options });
    expect(await good.call()).toMatchObject({ code: grpc.status.OK });
    expect(echo.seen).toHaveLength(1);
  });
});

describe("a SPIFFE ID is no URL", () => {
  test("library: new URL() takes dot segments out of a SPIFFE ID, percent-encoded ones too", () => {
    for (const dots of ["..", "%2e%2e"]) {
      expect(new URL(`spiffe://production.internal/order/${dots}/payment`).href).toBe(
        "spiffe://production.internal/payment",
      );
    }
  });
});

describe("the certificate that a call gives", () => {
  test("library: getAuthContext gives the leaf alone, as a legacy object, and its names as one escaped text", async () => {
    const tricky = `${orderId}, URI:spiffe://production.internal/payment`;
    using echo = await serve();
    using client = echoClient(echo.port, {
      credentials: clientTls(await ca.issue({ uris: [tricky], dns: [] })),
      ...options,
    });
    await client.call();
    const certificate = echo.seen[0]?.authContext.sslPeerCertificate;
    if (certificate === undefined) throw new Error("no certificate");
    expect("issuerCertificate" in certificate).toBe(false);
    expect(certificate.subjectaltname).toBe(
      String.raw`URI:"${orderId}\u002c URI:spiffe://production.internal/payment"`,
    );
    // page: parse-raw
    const parsed = new X509Certificate(certificate.raw);
    // end
    expect(parsed.subjectAltName).toBe(certificate.subjectaltname);
  });
});

describe("FileWatcherCertificateProvider keeps no last good set", () => {
  test("library: while key and certificate do not match, a server with a file watcher drops new connections", async () => {
    using folder = certificateFolder(server);
    const provider = folder.watch();
    const credentials = grpc.experimental.createCertificateProviderServerCredentials(provider, provider, true);
    using echo = await echoServer({ credentials });
    const isServed = async () => (await tlsAttempt(echo.port, caller)).served;
    const until = (served: boolean) => expect.poll(isServed, { timeout: 10_000, interval: 50 }).toBe(served);
    await until(true);
    // Half of a rotation: the new key, and still the old certificate.
    const next = await ca.issue({ spiffeId: "spiffe://production.internal/payment" });
    folder.write("tls.key", next.key);
    await until(false);
    folder.write("tls.crt", next.cert);
    await until(true);
  });

  test("library: the timer of a file watcher keeps the process alive", async () => {
    using folder = certificateFolder(server);
    const { stdout } = await runChild(
      `
      import * as grpc from "@grpc/grpc-js";
      const { FileWatcherCertificateProvider } = grpc.experimental;
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
      const provider = new FileWatcherCertificateProvider({
        caCertificateFile: process.env.CA_FILE,
        refreshIntervalMs: 60_000,
      });
      console.log(timers());
      provider.addCaCertificateListener(() => {});
      console.log(timers());
      process.exit();
    `,
      { CA_FILE: `${folder.path}/ca.crt` },
    );
    expect(stdout).toBe("0\n1\n");
  });
});

describe("live connections outlive what they were checked against", () => {
  const context = { ca: ca.ca, cert: server.cert, key: server.key };

  test.each<[string, SecureContextOptions]>([
    ["its CA was taken out", { ...context, ca: stranger.ca }],
    ["its certificate was revoked", { ...context, crl: [root, revoking] }],
  ])("library: a connection goes on after %s", async (_what, changed) => {
    const credentials = new Reloadable(context);
    using echo = await echoServer({ credentials });
    using client = echoClient(echo.port, { credentials: clientTls(caller), ...options });
    expect(await client.call()).toMatchObject({ code: grpc.status.OK });
    credentials.reload(changed);
    expect(await tlsAttempt(echo.port, caller)).toMatchObject({ served: false });
    expect(await client.call()).toMatchObject({ code: grpc.status.OK });
  });

  test("library: drain ends it", async () => {
    const credentials = new Reloadable(context);
    using echo = await echoServer({ credentials });
    const { server: grpcServer, port } = echo;
    using client = echoClient(port, { credentials: clientTls(caller), ...options });
    expect(await client.call()).toMatchObject({ code: grpc.status.OK });
    credentials.reload({ ...context, ca: stranger.ca });
    // page: drain
    grpcServer.drain(`127.0.0.1:${port}`, 1000);
    // end
    await vi.waitUntil(async () => (await client.call()).code === grpc.status.UNAVAILABLE, { timeout: 10_000 });
  });
});

describe("CRLs fail closed", () => {
  const context = { ca: ca.ca, cert: server.cert, key: server.key };
  test.each<[string, string[], boolean]>([
    ["takes callers with a CRL of each CA of the chain", [root, intermediate], true],
    ["refuses a revoked caller", [root, revoking], false],
    ["refuses everybody where the root has no CRL", [intermediate], false],
    ["refuses everybody where the intermediate has no CRL", [root], false],
    ["refuses everybody where a CRL is past its nextUpdate", [root, stale], false],
    ["refuses everybody where the CRLs are one text, of which it reads the first", [root + intermediate], false],
  ])("library: Node %s", async (_claim, crl, served) => {
    using echo = await echoServer({ credentials: new Reloadable({ ...context, crl }) });
    expect(await tlsAttempt(echo.port, caller)).toMatchObject({ served });
  });

  test("library: Node reads a CRL with the PEM label X509 CRL, and none with the label CRL", () => {
    expect(() => createSecureContext({ ...context, crl: root })).not.toThrow();
    expect(() => createSecureContext({ ...context, crl: root.replaceAll("X509 CRL", "CRL") })).toThrow(
      "Failed to parse CRL",
    );
  });
});
