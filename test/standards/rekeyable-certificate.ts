import { type KeyObject, sign, X509Certificate } from "node:crypto";
import { DerError, type Element, element, elements, encoded, encodedTime } from "./der-elements.ts";

/** What cannot be presented as it is meant; the message says why. */
export class NotPresentable extends Error {
  override readonly name = "NotPresentable";
}

/** What a certificate gets in the place of its own. */
export interface Replacement {
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  /** How much later its dates are, milliseconds. */
  readonly laterMs: number;
  /** Whether what it says of servers it says of clients, and the other way round. */
  readonly turned: boolean;
}

const SEQUENCE = 0x30;
/** ecdsa-with-SHA256 (RFC 5758 section 3.2). */
const ecdsaWithSha256 = Buffer.from("300a06082a8648ce3d040302", "hex");
/** id-kp-serverAuth and id-kp-clientAuth (RFC 5280 section 4.2.1.12), with tag and length. */
const serverAuth = "06082b06010505070301";
const clientAuth = "06082b06010505070302";
const curves = ["prime256v1", "secp384r1", "secp521r1"];

/** A certificate whose key, signature and dates can be replaced; all else stays what it is, byte for byte. */
export class RekeyableCertificate {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Its key, as text. */
  readonly publicKey: string;
  readonly #certificate: X509Certificate;
  /** The parts of what is signed (RFC 5280 section 4.1), without the version. */
  readonly #version: readonly Buffer[];
  readonly #parts: readonly Element[];

  /** @throws {NotPresentable} when it cannot be read, or its key or signature is what it is about */
  constructor(pem: string) {
    try {
      this.#certificate = new X509Certificate(pem);
      const [signed, algorithm] = elements(element(this.#certificate.raw).content);
      const parts = elements(signed?.content ?? Buffer.alloc(0));
      // A certificate of version 1 does not name it.
      const isVersioned = parts[0]?.tag === 0xa0;
      this.#version = isVersioned ? parts.slice(0, 1).map(({ whole }) => whole) : [];
      this.#parts = isVersioned ? parts.slice(1) : parts;
      if (algorithm === undefined || this.#parts[1]?.whole.equals(algorithm.whole) !== true) {
        throw new NotPresentable("a certificate names two signature algorithms");
      }
      refuseUnusual(this.#certificate.publicKey);
    } catch (error) {
      if (error instanceof NotPresentable) throw error;
      const why = error instanceof DerError ? error.message : "Node does not read it";
      throw new NotPresentable(`a certificate cannot be given another key: ${why}`);
    }
    this.publicKey = this.#certificate.publicKey.export({ type: "spki", format: "der" }).toString("base64");
    this.notBeforeMs = this.#certificate.validFromDate.getTime();
    this.notAfterMs = this.#certificate.validToDate.getTime();
  }

  isSignedBy(other: RekeyableCertificate): boolean {
    try {
      return this.#certificate.verify(other.#certificate.publicKey);
    } catch {
      return false;
    }
  }

  /** PEM. */
  replaced({ publicKey, signer, laterMs, turned }: Replacement): string {
    const [serial, , issuer, validity, subject, , ...rest] = this.#parts.map(({ whole }) => whole);
    const dates = [this.notBeforeMs, this.notAfterMs].map((each) => encodedTime(new Date(each + laterMs)));
    const signed = encoded(
      SEQUENCE,
      ...this.#version,
      serial ?? Buffer.alloc(0),
      ecdsaWithSha256,
      issuer ?? Buffer.alloc(0),
      laterMs === 0 ? (validity ?? Buffer.alloc(0)) : encoded(SEQUENCE, ...dates),
      subject ?? Buffer.alloc(0),
      publicKey.export({ type: "spki", format: "der" }),
      ...(turned ? rest.map(turnedRound) : rest),
    );
    const signature = encoded(0x03, Buffer.of(0), sign("sha256", signed, signer));
    const base64 = encoded(SEQUENCE, signed, ecdsaWithSha256, signature).toString("base64");
    return `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
  }
}

/** The two uses have object identifiers of one length, so that nothing else moves. */
function turnedRound(part: Buffer): Buffer {
  const hex = part.toString("hex").replaceAll(serverAuth, "-").replaceAll(clientAuth, serverAuth);
  return Buffer.from(hex.replaceAll("-", clientAuth), "hex");
}

/** Other keys than the usual are what their case is about. */
function refuseUnusual({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): void {
  const { modulusLength = 0, namedCurve = "" } = details ?? {};
  const isUsual = (type === "rsa" && modulusLength >= 2048) || (type === "ec" && curves.includes(namedCurve));
  if (!isUsual) throw new NotPresentable("a certificate has a key of an unusual kind");
}
