import { KeyObject, randomUUID, type webcrypto } from "node:crypto";
import { SignJWT } from "jose";

/** A key of ours whose public half the authorization server knows: `private_key_jwt`. */
export interface ClientAssertion {
  readonly privateKey: webcrypto.CryptoKey | KeyObject;
  /** The `kid` that the server knows it by. */
  readonly keyId: string;
  readonly algorithm: "ES256" | "Ed25519";
  /** The issuer identifier of the server, to which alone the assertion is good: `https://issuer.example`. */
  readonly audience: string;
}

/** Signs an assertion for one request. */
export type AssertionSigner = () => Promise<string>;

/** RFC 7523 §2.2. */
export const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** An assertion is used at once; the rest is for clocks that differ. */
const lifeSeconds = 60;

/**
 * Makes assertions by which a client authenticates itself (RFC 7523 §3): each is good for one request to one server.
 *
 * @param options - whose, and with which key; `now` in milliseconds since 1970
 * @throws TypeError when the key is not a private one of its algorithm, or something is empty; nothing is repeated
 */
export function assertionSigner(
  options: ClientAssertion & { readonly clientId: string; readonly now: () => number },
): AssertionSigner {
  const { privateKey, keyId, algorithm, audience, clientId, now } = options;
  if (privateKey.type !== "private" || algorithmOf(privateKey) !== algorithm) {
    throw new TypeError(`The key of a client assertion has to be a private key for ${algorithm}.`);
  }
  if (keyId === "" || audience === "") throw new TypeError("A client assertion needs a key id and an audience.");
  return () => {
    const issuedAt = Math.floor(now() / 1000);
    return new SignJWT()
      .setProtectedHeader({ alg: algorithm, kid: keyId, typ: "client-authentication+jwt" })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(audience)
      .setJti(randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + lifeSeconds)
      .sign(privateKey);
  };
}

function algorithmOf(key: webcrypto.CryptoKey | KeyObject): string | undefined {
  if (key instanceof KeyObject) {
    if (key.asymmetricKeyType === "ed25519") return "Ed25519";
    return key.asymmetricKeyDetails?.namedCurve === "prime256v1" ? "ES256" : undefined;
  }
  if (key.algorithm.name === "Ed25519") return "Ed25519";
  const { name, namedCurve } = key.algorithm as webcrypto.EcKeyAlgorithm;
  return name === "ECDSA" && namedCurve === "P-256" ? "ES256" : undefined;
}
