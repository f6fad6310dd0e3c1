import { randomUUID, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { importJWK, type JWK, SignJWT } from "jose";
import type { Deployment } from "../deployment.ts";
import { audiences, issuer, type Workload } from "../names.ts";

/** Signs a token as the issuer would have, only at another time: the issuer itself never gives out an expired one. */
export async function mintToken(
  deployment: Deployment,
  client: Workload,
  times: { readonly ageSeconds: number; readonly lifetimeSeconds: number },
): Promise<string> {
  const { keys } = JSON.parse(readFileSync(join(deployment.folder, "issuer/signing-jwks.json"), "utf8")) as {
    keys: JWK[];
  };
  const [jwk = {}] = keys;
  const certificate = new X509Certificate(readFileSync(join(deployment.tlsFolder(client), "tls.crt")));
  const thumbprint = Buffer.from(certificate.fingerprint256.replaceAll(":", ""), "hex").toString("base64url");
  const issuedAt = Math.floor(Date.now() / 1000) - times.ageSeconds;
  const claims = { client_id: client, scope: "read:orders write:orders", cnf: { "x5t#S256": thumbprint } };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: jwk.kid ?? "" })
    .setIssuer(issuer)
    .setAudience(audiences.order)
    .setSubject(client)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + times.lifetimeSeconds)
    .sign(await importJWK(jwk, "ES256"));
}
