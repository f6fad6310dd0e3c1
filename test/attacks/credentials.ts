import { randomUUID, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { tokensOf } from "@zero-trust/infra/callers";
import { audiences, issuer, type Workload } from "@zero-trust/infra/names";
import type { OrderService } from "@zero-trust/proto/order/v1";
import { type CreatePaymentRequestSchema, PaymentService } from "@zero-trust/proto/payment/v1";
import { createTokenIssuer, type TestTokenIssuer } from "@zero-trust/testkit";
import type { JWK } from "jose";
import type { Deployed } from "../stack/stack.ts";
import { type Call, onTheWire } from "./call.ts";
import { type Signing, signatureOf } from "./signature.ts";

type Metadata = Readonly<Record<string, string>>;

/** A token of the issuer for a client, for one service, as metadata. */
export async function bearerOf(
  stack: Deployed,
  client: Workload,
  service: "order" | "payment",
  scopes: readonly string[],
): Promise<Metadata> {
  return { authorization: `Bearer ${await tokensOf(stack, client, service, scopes).token()}` };
}

/** reporting's API key for payment, as metadata. */
export function apiKeyOf({ deployment }: Deployed): Metadata {
  return { "x-api-key": deployment.apiKey };
}

/** A signature of a client over a call, as metadata. */
export function signedBy<M extends DescMethod>(
  { deployment }: Deployed,
  client: "order-service" | "storefront",
  method: M,
  message: MessageInitShape<M["input"]>,
  changes: Partial<Signing> = {},
): Metadata {
  const { id: keyId, secret } = deployment.signing[client];
  const { path, bytes } = onTheWire(method, message);
  return signatureOf({ keyId, secret: secret.expose(), path, message: bytes, ...changes });
}

/** A payment that no other payment is like. */
export function newPayment(): MessageInitShape<typeof CreatePaymentRequestSchema> {
  const amount = { currencyCode: "EUR", minorUnits: 100n };
  return { requestId: randomUUID(), client: "storefront", reference: "attack", amount };
}

/** All that a payment takes: order-service's certificate, its token, and its signature over the message. */
export async function payingCall(
  stack: Deployed,
  message: ReturnType<typeof newPayment> = newPayment(),
  changes: Partial<Signing> = {},
): Promise<Call<typeof PaymentService.method.createPayment>> {
  const token = await bearerOf(stack, "order-service", "payment", ["write:payments"]);
  const signature = signedBy(stack, "order-service", PaymentService.method.createPayment, message, changes);
  return { as: "order-service", message, metadata: { ...token, ...signature } };
}

/** An order that no other order is like. */
export function newOrder(): MessageInitShape<typeof OrderService.method.createOrder.input> {
  const unitPrice = { currencyCode: "EUR", minorUnits: 617n };
  return { requestId: randomUUID(), lines: [{ sku: "MUG", quantity: 2, unitPrice }] };
}

/** Signs whatever tokens with the key of the deployment's issuer: what somebody could who had it, or what it gave at another time. */
export async function forgerOf({ deployment }: Deployed): Promise<TestTokenIssuer> {
  const { keys } = JSON.parse(readFileSync(join(deployment.folder, "issuer/signing-jwks.json"), "utf8")) as {
    keys: JWK[];
  };
  const [signingKey = {}] = keys;
  return await createTokenIssuer({ issuer, signingKey });
}

/** The claims of a token that is right in every way, but for `iat`, `exp` and `jti`, which its signer fills in. */
export function claimsOf(
  { deployment }: Deployed,
  client: Workload,
  service: "order" | "payment",
  scopes: readonly string[],
): Readonly<Record<string, unknown>> {
  const certificate = new X509Certificate(readFileSync(join(deployment.tlsFolder(client), "tls.crt")));
  const thumbprint = Buffer.from(certificate.fingerprint256.replaceAll(":", ""), "hex").toString("base64url");
  return {
    aud: audiences[service],
    sub: client,
    client_id: client,
    scope: scopes.join(" "),
    cnf: { "x5t#S256": thumbprint },
  };
}
