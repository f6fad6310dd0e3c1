import * as grpc from "@grpc/grpc-js";
import { createCa, extendedKeyUsage, type LeafOptions } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { callEcho, carelessServer } from "../test/echo.ts";
import { mutualTlsChannels } from "./channels.ts";
import { allOf, dnsName, type ServerRule, spiffeId } from "./server-identity.ts";
import { identityFromMemory } from "./tls-identity.ts";

const ca = await createCa();
const order = identityFromMemory(await ca.issue({ spiffeId: "spiffe://production.internal/order-service" }));
const uri = "spiffe://production.internal/payment-service";
const host = "payment.production.internal";

/** Calls a server that shows any certificate of our CA; tells its text, or why it was not called. */
async function call(serverId: string | ServerRule, leaf: LeafOptions): Promise<string> {
  await using server = await carelessServer(await ca.issue(leaf));
  const channels = mutualTlsChannels({ identity: order, target: `127.0.0.1:${server.port}`, serverId });
  const { code, text } = await callEcho(channels.channel());
  channels.close();
  expect(server.calls).toBe(code === grpc.status.OK ? 1 : 0);
  return text;
}

describe("dnsName", () => {
  test("takes a server that has the name, without a SPIFFE ID", async () => {
    expect(await call(dnsName(host), { dns: ["other.internal", host] })).toBe("hello");
  });

  test.each<[string, LeafOptions, RegExp]>([
    ["another name", { dns: ["order.production.internal"] }, /does not name payment\.production\.internal/],
    ["the name in its CN alone", { commonName: host, dns: [] }, /does not name/],
    ["a pattern of which the name is one", { dns: ["*.production.internal"] }, /does not name/],
    ["the name, for clients only", { dns: [host], eku: [extendedKeyUsage.clientAuth] }, /purpose|serverAuth/],
    ["the name, and no word on its use", { dns: [host], eku: null }, /lacks serverAuth/],
    ["the name, and is a CA", { dns: [host], basicConstraintsCa: true }, /is a CA's/],
  ])("refuses a server that has %s, and sends it nothing", async (_what, leaf, why) => {
    expect(await call(dnsName(host), leaf)).toMatch(why);
  });

  test.each(["10.0.0.1", "Payment.internal", "payment", "", "*.internal", "payment.internal.", "a..b", "::1"])(
    "does not take %j for a DNS name",
    (name) => {
      expect(() => dnsName(name)).toThrow(TypeError);
    },
  );
});

describe("allOf", () => {
  const both = allOf(spiffeId(uri), dnsName(host));

  test("takes a server that meets every rule", async () => {
    expect(await call(both, { spiffeId: uri, dns: [host] })).toBe("hello");
  });

  test.each<[string, LeafOptions, RegExp]>([
    [
      "the right host name and another SPIFFE ID",
      { spiffeId: `${uri}-2`, dns: [host] },
      /is spiffe:\/\/production\.internal\/payment-service-2/,
    ],
    ["the right SPIFFE ID and another host name", { spiffeId: uri, dns: ["order.internal"] }, /does not name/],
  ])("refuses a server that has %s", async (_what, leaf, why) => {
    expect(await call(both, leaf)).toMatch(why);
    // The rule that it does meet, by itself.
    expect(await call(leaf.spiffeId === uri ? uri : dnsName(host), leaf)).toBe("hello");
  });

  test("needs a rule", () => {
    expect(() => allOf()).toThrow(/needs a rule/);
  });
});
