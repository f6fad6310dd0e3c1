import { Metadata } from "@grpc/grpc-js";
import type { Finding } from "../src/decision.ts";
import { Credential } from "../src/gen/zerotrust/auth/v1/policy_pb.ts";
import { type SigningKey, signingSecret } from "../src/hmac/keys.ts";
import { memoryNonceStore } from "../src/hmac/nonces.ts";
import { hmac } from "../src/hmac/server.ts";
import type { CallFacts, SignatureVerifier } from "../src/verifier.ts";

/** The published vector: a signed call that has to be let in. */
export const vector: Readonly<Record<"keyId" | "secret" | "path" | "timestamp" | "nonce" | "signature", string>> & {
  readonly message: Buffer;
} = {
  keyId: "hk-vector00",
  secret: "hs-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
  path: "/payment.v1.PaymentService/GetPayment",
  timestamp: "1795000000",
  nonce: "00112233445566778899aabbccddeeff",
  message: Buffer.from("0a057061795f31", "hex"),
  signature: "f02e690906234e616bd31831ea73be3067df7ce79bb43e34408effcd91324230",
};
export const nowMs: number = Number(vector.timestamp) * 1000;
export const audience: string = "https://payment.production.internal";
export const key: SigningKey = {
  id: vector.keyId,
  client: "order-service",
  audience,
  scopes: new Set(["read"]),
  secret: signingSecret(vector.secret),
};
export const call = (at: number = nowMs): CallFacts => ({
  path: vector.path,
  peer: {
    spiffeId: "spiffe://production.internal/order-service",
    trustDomain: "production.internal",
    thumbprint: "t",
    serialNumber: "1",
    notAfterMs: nowMs * 2,
  },
  nowMs: at,
  named: new Set([Credential.HMAC]),
});
export const verifier = (found: SigningKey = key): SignatureVerifier =>
  hmac({
    keys: { find: (id) => (id === found.id ? found : undefined) },
    nonces: memoryNonceStore({ now: () => nowMs - 3_600_000 }),
    audience,
  });

export function signed(changes: Record<string, string | undefined> = {}): Metadata {
  const metadata = new Metadata();
  const values = {
    "x-api-key": vector.keyId,
    "x-timestamp": vector.timestamp,
    "x-nonce": vector.nonce,
    "x-signature": vector.signature,
    ...changes,
  };
  for (const [name, value] of Object.entries(values)) if (value !== undefined) metadata.set(name, value);
  return metadata;
}

/** What comes of a call, its message and its nonce. */
export async function verdict(
  metadata: Metadata,
  message: Uint8Array = vector.message,
  at: number = nowMs,
  of: SignatureVerifier = verifier(),
): Promise<Finding> {
  const { finding, signature } = await of.open(metadata, call(at));
  if (signature === undefined) return finding;
  const checked = signature.check(message);
  return checked.verdict === "verified" ? ((await signature.claim()) ?? checked) : checked;
}

/** Metadata as no gRPC library would send it: grpc-js refuses to make it. */
export function raw(changes: Readonly<Record<string, string | readonly (string | Buffer)[]>>, alone = false): Metadata {
  const values = alone ? changes : { ...signed().getMap(), ...changes };
  return { get: (name: string) => [values[name] ?? []].flat() } as unknown as Metadata;
}
