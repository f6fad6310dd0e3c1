import { createCa } from "@zero-trust/testkit";
import { expect, test } from "vitest";
import { Credential } from "../src/gen/zerotrust/auth/v1/policy_pb.ts";
import type { Rule } from "../src/policy.ts";
import { definePolicy } from "../src/policy.ts";
import type { MetadataVerifier } from "../src/verifier.ts";
import { ping } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

test("a credential that no rule of the method names is not looked at: neither for the caller nor against it", async () => {
  const ca = await createCa();
  let asked = 0;
  const keys: MetadataVerifier = {
    credential: Credential.API_KEY,
    metadataKeys: ["x-api-key"],
    isPresented: (metadata) => metadata.get("x-api-key").length > 0,
    async verify() {
      asked += 1;
      return { finding: { verdict: "verified", client: "caller", scopes: new Set() } };
    },
  };
  const needs = (credential: Credential): Rule[] => [{ credentials: [credential], scopes: [] }];
  const [one, other] = [needs(Credential.MTLS), needs(Credential.API_KEY)];
  await using server = await startPingServer(ca, {
    credentials: [keys],
    grants: { current: () => new Map([[idOf("caller"), { client: "caller", scopes: new Set<string>() }]]) },
    policies: [definePolicy(pingDefinition, { Ping: one, PingMany: other, PingSum: other, PingEach: other })],
  });
  const channels = await server.channels("caller");
  try {
    expect(await ping(channels, { metadata: { "x-api-key": "whatever" } })).toBe("OK");
    expect(asked).toBe(0);
    expect(server.events).toMatchObject([{ outcome: "allowed", credentials: ["MTLS"] }]);
  } finally {
    channels.close();
  }
});
