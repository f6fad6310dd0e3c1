import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { attacker, createCa, type GrpcSession } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hmac } from "../src/client.ts";
import { Credential, definePolicy } from "../src/index.ts";
import { type TestCredentials, testCredentials } from "./generators/credentials.ts";
import { pingBytes, pingPath } from "./ping-client.ts";
import { idOf, type PingServer, pingDefinition, startPingServer } from "./ping-server.ts";
import { type RawCall, rawCall } from "./raw-call.ts";

// It prints a value that it does not take, of which there are many here.
setLogVerbosity(logVerbosity.NONE);

const signed = [{ credentials: [Credential.HMAC], scopes: [] }];
const unsigned = [{ credentials: [Credential.BEARER], scopes: [] }];
const policies = [
  definePolicy(pingDefinition, { Ping: signed, PingMany: signed, PingSum: unsigned, PingEach: unsigned }),
];

describe("H1: a signed call with any one bit changed", () => {
  let credentials: TestCredentials;
  let server: PingServer;
  let attack: ReturnType<typeof attacker>;
  let session: GrpcSession;
  beforeAll(async () => {
    const ca = await createCa();
    credentials = await testCredentials(ca);
    const verifiers = credentials.verifiers();
    server = await startPingServer(ca, {
      policies,
      grants: credentials.grants,
      credentials: verifiers,
      decisionTimeoutMs: 10_000,
    });
    const [host = "", port] = server.target.split(":");
    attack = attacker({ host, port: Number(port), tls: await ca.issue({ spiffeId: idOf("partner") }) });
    session = await attack.session();
  });
  afterAll(async () => {
    attack.close();
    await server[Symbol.asyncDispose]();
    await credentials[Symbol.asyncDispose]();
  });

  async function signedCall(): Promise<RawCall> {
    const { id: keyId, secret } = credentials.signingKeys.good;
    const message = pingBytes({ text: "pay 1 €" });
    const values = await hmac({ keyId, secret }).present({ path: pingPath, message: async () => message });
    return { path: pingPath, headers: Object.entries(values), messages: [message] };
  }

  /** The texts that differ from one in one bit. */
  const flips = (text: string): string[] =>
    Array.from({ length: text.length * 8 }, (_, bit) => {
      const bytes = Buffer.from(text, "latin1");
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return bytes.toString("latin1");
    });
  function variants(part: string, call: RawCall): RawCall[] {
    if (part === "path") return flips(call.path).map((path) => ({ ...call, path }));
    if (part === "message") {
      const message = Buffer.concat(call.messages).toString("latin1");
      return flips(message).map((other) => ({ ...call, messages: [Buffer.from(other, "latin1")] }));
    }
    const value = call.headers.find(([name]) => name === part)?.[1] ?? "";
    return flips(value).map((other) => ({
      ...call,
      headers: call.headers.map(([name, old]) => [name, name === part ? other : old]),
    }));
  }

  const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
  test.each<[part: string, bits: number, outcomes: readonly string[]]>([
    ["x-api-key", 19 * 8, [invalid]],
    ["x-timestamp", 10 * 8, [invalid, "UNAUTHENTICATED CREDENTIAL_EXPIRED"]],
    ["x-nonce", 32 * 8, [invalid]],
    ["x-signature", 64 * 8, [invalid]],
    ["message", 11 * 8, [invalid]],
    // There is no such method; some of them are no path in HTTP/2 either.
    ["path", pingPath.length * 8, ["UNIMPLEMENTED", "reset PROTOCOL_ERROR"]],
  ])("of its %s is refused, and its nonce is still good", async (part, bits, outcomes) => {
    const call = await signedCall();
    server.handled.length = 0;
    const others = variants(part, call);
    expect(others).toHaveLength(bits);
    const ends: string[] = [];
    // No more at once than a connection may have.
    for (let start = 0; start < bits; start += 50) {
      const some = others.slice(start, start + 50).map((other) => rawCall(session, other));
      ends.push(...(await Promise.all(some)).map(({ outcome }) => outcome));
    }
    expect(ends.filter((outcome) => !outcomes.includes(outcome))).toEqual([]);
    expect(server.handled).toEqual([]);
    expect((await rawCall(session, call)).outcome).toBe("OK");
    expect(server.handled).toEqual(["pay 1 €"]);
  });
});
