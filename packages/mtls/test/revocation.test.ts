import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { createCa } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { pemBlocks } from "../src/pem.ts";
import { CRL_LABEL } from "../src/revocation-lists.ts";
import { identityFromMemory, type TlsMaterial } from "../src/tls-identity.ts";

const ca = await createCa();
const server = await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" });
const client = await ca.issue({ spiffeId: "spiffe://production.internal/order-service" });
const revoked = await ca.issue({ spiffeId: "spiffe://production.internal/revoked" });
const bySecond = await ca.issue({ spiffeId: "spiffe://production.internal/second", bySecondIntermediate: true });
const all = { issuers: ["root", "intermediate", "secondIntermediate"] as const };

/** As a connection is served: of an identity, each list by itself. */
function contextOf(material: TlsMaterial): SecureContextOptions {
  const { cert, key, ca: roots, crl = "" } = identityFromMemory(material).material;
  return { cert, key, ca: roots, crl: [...pemBlocks(crl, CRL_LABEL).blocks], minVersion: "TLSv1.3" };
}

/** What Node says of a client's certificate: "served" or its code. */
async function handshake(context: SecureContextOptions, from: TlsMaterial): Promise<string> {
  const { cert, key } = from;
  const listening = createServer({ ...context, requestCert: true, rejectUnauthorized: true });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  const verdict = new Promise<string>((resolve) => {
    listening.once("secureConnection", () => resolve("served"));
    listening.once("tlsClientError", (_error, { authorizationError }: TLSSocket) =>
      resolve(String(authorizationError)),
    );
  });
  const { port } = listening.address() as AddressInfo;
  const socket = connect({ host: "127.0.0.1", port, cert, key, ca: ca.ca, checkServerIdentity: () => undefined });
  socket.on("error", () => {});
  try {
    return await verdict;
  } finally {
    socket.destroy();
    listening.close();
  }
}

describe("an identity with revocation lists", () => {
  test("has Node serve who is not revoked, and refuse who is", async () => {
    const context = contextOf({ ...server, crl: await ca.crls({ revoked: [revoked.cert] }) });
    expect(await handshake(context, client)).toBe("served");
    expect(await handshake(context, revoked)).toBe("CERT_REVOKED");
  });

  test("has Node refuse all of a revoked intermediate, and serve those of another", async () => {
    const crl = await ca.crls({ ...all, revoked: [ca.intermediate] });
    const own = await ca.issue({
      spiffeId: "spiffe://production.internal/payment-service",
      bySecondIntermediate: true,
    });
    const context = contextOf({ ...own, ca: ca.ca + ca.intermediate, crl });
    expect(await handshake(context, client)).toBe("CERT_REVOKED");
    expect(await handshake(context, bySecond)).toBe("served");
  });

  test("has Node tell two roots of one name apart", async () => {
    const double = await createCa();
    const lists = (await ca.crls()) + (await double.crl({ issuer: "root" }));
    const context = contextOf({ ...server, ca: ca.ca + double.ca, crl: lists });
    expect(await handshake(context, client)).toBe("served");
  });

  // How Node works: the reason for a list of every CA, and for checking that at the start.
  test("has Node refuse all of an intermediate that has no list", async () => {
    const context = contextOf({ ...server, crl: await ca.crls() });
    expect(await handshake(context, bySecond)).toBe("UNABLE_TO_GET_CRL");
  });

  // How Node works: of several lists in one text it takes the first alone.
  test("is not to be given to Node in one text", async () => {
    const crl = await ca.crls({ revoked: [revoked.cert] });
    const context = { ...contextOf({ ...server, crl }), crl };
    expect(await handshake(context, client)).toBe("UNABLE_TO_GET_CRL");
  });
});
