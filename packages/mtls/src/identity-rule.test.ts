import * as grpc from "@grpc/grpc-js";
import { createCa, extendedKeyUsage, type LeafOptions } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { callEcho, echoServer } from "../test/echo.ts";
import { mutualTlsChannels } from "./channels.ts";
import { dnsSan, uriSan } from "./identity-rule.ts";
import { PeerError } from "./peer.ts";
import { identityFromMemory, TlsIdentityError } from "./tls-identity.ts";

const ca = await createCa();
const identityRule = dnsSan("production.internal");
const of = async (leaf: LeafOptions) => identityFromMemory(await ca.issue(leaf), { identityRule });
const payment = await of({ dns: ["payment-service.production.internal"] });

describe("dnsSan", () => {
  test("makes a PKI without SPIFFE IDs do: both sides know each other by their names", async () => {
    await using echo = await echoServer({ identity: payment });
    const order = await of({ dns: ["order-service.production.internal", "order.elsewhere.example"] });
    expect(order.spiffeId).toBe("spiffe://production.internal/order-service");
    const call = async (serverId: string) => {
      const channels = mutualTlsChannels({ identity: order, target: `127.0.0.1:${echo.port}`, serverId });
      const answer = await callEcho(channels.channel());
      channels.close();
      return answer;
    };
    expect(await call("spiffe://production.internal/payment-service")).toMatchObject({ code: grpc.status.OK });
    expect(echo.peers).toMatchObject([{ spiffeId: "spiffe://production.internal/order-service" }]);
    const refused = await call("spiffe://production.internal/ledger");
    expect(refused.text).toContain("The server is spiffe://production.internal/payment-service, not");
    expect(echo.peers).toHaveLength(1);
  });

  test("does not make a server take the names of a PKI that has SPIFFE IDs, nor the reverse", async () => {
    await using echo = await echoServer({
      identity: identityFromMemory(await ca.issue({ spiffeId: "spiffe://production.internal/payment-service" })),
    });
    const order = await of({ dns: ["order-service.production.internal"] });
    const rule = { servername: "any.production.internal", complaint: () => undefined };
    const channels = mutualTlsChannels({ identity: order, target: `127.0.0.1:${echo.port}`, serverId: rule });
    expect(await callEcho(channels.channel())).toMatchObject({ code: grpc.status.UNAUTHENTICATED });
    expect(echo.peers).toMatchObject([expect.any(PeerError)]);
    channels.close();
  });

  test.each<[string, LeafOptions, RegExp]>([
    ["no name of the trust domain", { dns: ["order.elsewhere.example"] }, /not one of which alone is below/],
    ["two names of it", { dns: ["a.production.internal", "b.production.internal"] }, /not one of which alone/],
    ["a name in its CN alone", { commonName: "order.production.internal", dns: [] }, /has 0 DNS SANs/],
    ["a pattern", { dns: ["*.production.internal"] }, /not a workload's name/],
    ["a name further below", { dns: ["a.b.production.internal"] }, /not a workload's name/],
    ["the trust domain itself", { dns: ["production.internal"] }, /not one of which alone/],
    ["a name that only ends alike", { dns: ["order.notproduction.internal"] }, /not one of which alone/],
    ["upper case", { dns: ["ORDER.production.internal"] }, /not a workload's name/],
    ["a SPIFFE ID too", { spiffeId: "spiffe://production.internal/other", dns: ["a.production.internal"] }, /URI SAN/],
    [
      "the name, for servers only",
      { dns: ["a.production.internal"], eku: [extendedKeyUsage.serverAuth] },
      /clientAuth/,
    ],
  ])("refuses a certificate with %s", async (_what, leaf, why) => {
    const material = await ca.issue(leaf);
    expect(() => identityFromMemory(material, { identityRule })).toThrow(TlsIdentityError);
    expect(() => identityFromMemory(material, { identityRule })).toThrow(why);
  });

  test("is not what is meant unless it is said", async () => {
    const material = await ca.issue({ dns: ["order-service.production.internal"] });
    expect(() => identityFromMemory(material)).toThrow(/has 0 URI SANs/);
    expect(() => uriSan.identify({ uris: [], dnsNames: ["order-service.production.internal"] })).toThrow(/URI SANs/);
  });

  test("keeps its rule when the certificate is replaced", async () => {
    const order = await of({ dns: ["order-service.production.internal"] });
    order.replace(await ca.issue({ dns: ["order-service.production.internal"] }));
    expect(order.identityRule).toBe(identityRule);
    const other = await ca.issue({ dns: ["ledger.production.internal"] });
    expect(() => order.replace(other)).toThrow(/is that of spiffe:\/\/production\.internal\/ledger/);
  });

  test.each(["", "Production.internal", "production internal", "a/b"])(
    "does not take %j for a trust domain",
    (name) => {
      expect(() => dnsSan(name)).toThrow(TypeError);
    },
  );
});
