import { join } from "node:path";
import { createSecureContext } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { createCa } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { certificateFolder } from "./certificate-folder.ts";
import { runChild } from "./child.ts";
import { echoClient } from "./echo-client.ts";
import { echoServer } from "./echo-server.ts";
import { metadataOf } from "./metadata-of.ts";
import { clientTls, keyPair, withoutCertificate } from "./tls-credentials.ts";

const ca = await createCa();
const stranger = await createCa({ name: "Stranger" });
const server = await ca.issue({ spiffeId: "spiffe://production.internal/payment" });
const strangersServer = await stranger.issue({ spiffeId: "spiffe://production.internal/payment" });
const caller = await ca.issue({ spiffeId: "spiffe://production.internal/order" });
const strangersCaller = await stranger.issue({ spiffeId: "spiffe://production.internal/order" });
const roots = Buffer.from(ca.ca);

/** The name that the server's certificate is good for. */
const options = {
  "grpc.ssl_target_name_override": "payment.production.internal",
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": 100,
};

describe("createSsl asks for no client certificate", () => {
  test("library: createSsl without its third argument serves a caller without a certificate, and one of another CA", async () => {
    using echo = await echoServer({ credentials: grpc.ServerCredentials.createSsl(roots, [keyPair(server)]) });
    for (const credentials of [withoutCertificate(ca), clientTls({ ...strangersCaller, ca: ca.ca })]) {
      using client = echoClient(echo.port, { credentials, ...options });
      expect(await client.call()).toMatchObject({ code: grpc.status.OK });
    }
    // It is not even told that there was a certificate.
    expect(echo.seen.map((call) => call.authContext)).toEqual([{}, {}]);
  });

  test("library: createSsl with true refuses them", async () => {
    // page: client-certificate
    const pair = { cert_chain: Buffer.from(server.cert), private_key: Buffer.from(server.key) };
    const credentials = grpc.ServerCredentials.createSsl(roots, [pair], true);
    // end
    using echo = await echoServer({ credentials });
    for (const refused of [withoutCertificate(ca), clientTls({ ...strangersCaller, ca: ca.ca })]) {
      using client = echoClient(echo.port, { credentials: refused, ...options });
      expect(await client.call()).toMatchObject({ code: grpc.status.UNAVAILABLE });
    }
    using client = echoClient(echo.port, { credentials: clientTls(caller), ...options });
    expect(await client.call()).toMatchObject({ code: grpc.status.OK });
    expect(echo.seen).toHaveLength(1);
  });
});

describe("createSsl(null, …) lets other CAs sign the callers", () => {
  test("library: createSsl(null) takes callers of the CAs in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", async () => {
    using folder = certificateFolder(strangersServer);
    const { stdout } = await runChild(
      `
      import * as grpc from "@grpc/grpc-js";
      import { echoClient } from "./traps/echo-client.ts";
      import { echoServer } from "./traps/echo-server.ts";
      import { clientTls, keyPair } from "./traps/tls-credentials.ts";
      const { server, caller } = JSON.parse(process.env["MATERIAL"]);
      const credentials = grpc.ServerCredentials.createSsl(null, [keyPair(server)], true);
      using echo = await echoServer({ credentials });
      using client = echoClient(echo.port, { credentials: clientTls(caller), ...${JSON.stringify(options)} });
      console.log((await client.call()).code, echo.seen[0].authContext.sslPeerCertificate.issuer.CN);
    `,
      {
        GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: join(folder.path, "ca.crt"),
        MATERIAL: JSON.stringify({ server, caller: { ...strangersCaller, ca: ca.ca } }),
      },
    );
    expect(stdout).toBe("0 Stranger Intermediate\n");
  });
});

describe("createCertificateProviderServerCredentials names its arguments in the wrong order", () => {
  test("library: a null second argument of createCertificateProviderServerCredentials asks nobody for a certificate", async () => {
    using folder = certificateFolder(server);
    const provider = folder.watch();
    // By its typings: (ca, no identity, require a client certificate).
    const credentials = grpc.experimental.createCertificateProviderServerCredentials(provider, null, true);
    using echo = await echoServer({ credentials });
    using client = echoClient(echo.port, { credentials: withoutCertificate(ca), ...options });
    expect(await client.call({ waitForReady: true })).toMatchObject({ code: grpc.status.OK });
    expect(echo.seen[0]?.authContext).toEqual({});
  });

  test("library: the same provider in both places asks for a certificate", async () => {
    using folder = certificateFolder(server);
    const provider = folder.watch();
    // page: provider-order
    const credentials = grpc.experimental.createCertificateProviderServerCredentials(provider, provider, true);
    // end
    using echo = await echoServer({ credentials });
    using good = echoClient(echo.port, { credentials: clientTls(caller), ...options });
    expect(await good.call({ waitForReady: true })).toMatchObject({ code: grpc.status.OK });
    using bad = echoClient(echo.port, { credentials: withoutCertificate(ca), ...options });
    expect(await bad.call()).toMatchObject({ code: grpc.status.UNAVAILABLE });
    expect(echo.seen).toHaveLength(1);
  });
});

describe("checkServerIdentity replaces the check of the host name", () => {
  test("library: a checkServerIdentity that returns undefined takes any certificate of the CA", async () => {
    using echo = await echoServer({ credentials: grpc.ServerCredentials.createSsl(roots, [keyPair(server)], true) });
    const elsewhere = { ...options, "grpc.ssl_target_name_override": "bank.production.internal" };
    using careful = echoClient(echo.port, { credentials: clientTls(caller), ...elsewhere });
    expect(await careful.call()).toMatchObject({ code: grpc.status.UNAVAILABLE });
    const credentials = clientTls(caller, { checkServerIdentity: () => undefined });
    using careless = echoClient(echo.port, { credentials, ...elsewhere });
    expect(await careless.call()).toMatchObject({ code: grpc.status.OK });
  });
});

describe("the global subchannel pool compares credentials loosely", () => {
  // A client that trusts nobody but our CA, at a server of another one.
  const serve = () =>
    echoServer({ credentials: grpc.ServerCredentials.createSsl(null, [keyPair(strangersServer)], false) });
  const context = createSecureContext({ ca: ca.ca });
  const careless = grpc.credentials.createFromSecureContext(context, { rejectUnauthorized: false });
  const strict = grpc.credentials.createFromSecureContext(context, { rejectUnauthorized: true });

  test("library: a strict client is given the connection of one with rejectUnauthorized false", async () => {
    using echo = await serve();
    const shared = { ...options, "grpc.use_local_subchannel_pool": 0 };
    using first = echoClient(echo.port, { credentials: careless, ...shared });
    expect(await first.call()).toMatchObject({ code: grpc.status.OK });
    using second = echoClient(echo.port, { credentials: strict, ...shared });
    expect(await second.call()).toMatchObject({ code: grpc.status.OK });
  });

  test("library: with grpc.use_local_subchannel_pool it is not", async () => {
    using echo = await serve();
    using first = echoClient(echo.port, { credentials: careless, ...options });
    expect(await first.call()).toMatchObject({ code: grpc.status.OK });
    // page: subchannel-pool
    const isolated = { "grpc.use_local_subchannel_pool": 1 };
    // end
    using second = echoClient(echo.port, { credentials: strict, ...options, ...isolated });
    expect(await second.call()).toMatchObject({ code: grpc.status.UNAVAILABLE });
  });

  test("library: a client with two call credentials sends the header of a client with three", async () => {
    using echo = await echoServer({ credentials: grpc.ServerCredentials.createSsl(roots, [keyPair(server)], true) });
    const [a, b, d] = ["a", "b", "d"].map((key) =>
      grpc.credentials.createFromMetadataGenerator((_options, callback) => callback(null, metadataOf({ [key]: "1" }))),
    ) as [grpc.CallCredentials, grpc.CallCredentials, grpc.CallCredentials];
    const tls = clientTls(caller);
    const shared = { ...options, "grpc.use_local_subchannel_pool": 0 };
    using three = echoClient(echo.port, { credentials: tls.compose(a).compose(b).compose(d), ...shared });
    await three.call();
    using two = echoClient(echo.port, { credentials: tls.compose(a).compose(b), ...shared });
    await two.call();
    expect(Object.keys(echo.seen[1]?.metadata.getMap() ?? {})).toContain("d");
    using local = echoClient(echo.port, { credentials: tls.compose(a).compose(b), ...options });
    await local.call();
    expect(Object.keys(echo.seen[2]?.metadata.getMap() ?? {})).not.toContain("d");
  });
});
