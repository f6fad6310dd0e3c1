// @peculiar/x509 builds on tsyringe, which needs the polyfill to be there before it is loaded.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { newKeys, SIGNATURE, type Signer } from "./signer.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** The CRL number (RFC 5280 §5.2.3). */
const CRL_NUMBER = "2.5.29.20";

/** The CAs of a `TestCa`. */
export type CaName = "root" | "intermediate" | "secondIntermediate";

/** What a revocation list says. The defaults make a good one; every member can make a bad one. */
export interface CrlOptions {
  readonly issuer: CaName;
  /** What is revoked: PEM texts, of which the first certificate counts, or serial numbers, hexadecimal. */
  readonly revoked?: readonly string[];
  /** Default: one minute ago. */
  readonly thisUpdate?: Date;
  /** `null` for none. Default: in 24 hours. */
  readonly nextUpdate?: Date | null;
  /** The CRL number (RFC 5280 §5.2.3). Default: 1. */
  readonly number?: number;
  /** Signs it with a key that is not the issuer's. */
  readonly forged?: boolean;
  /** The OID of an extension that is critical, such as 2.5.29.27 of a delta CRL. */
  readonly criticalExtension?: string;
}

/** What the revocation lists of several CAs say. */
export interface CrlsOptions extends Omit<CrlOptions, "issuer"> {
  /** Default: root and intermediate, those that a chain usually passes. */
  readonly issuers?: readonly CaName[];
  /** PEM texts, of which the first certificate counts. */
  readonly revoked?: readonly string[];
}

/** Makes the revocation list of one CA, PEM. */
export async function revocationList(issuer: Signer, options: CrlOptions): Promise<string> {
  const { revoked = [], nextUpdate = new Date(Date.now() + DAY_MS), criticalExtension } = options;
  const signingKey = (options.forged === true ? await newKeys() : issuer.keys).privateKey;
  const critical = criticalExtension === undefined ? [] : [new x509.Extension(criticalExtension, true, derInteger(1))];
  const crl = await x509.X509CrlGenerator.create(
    {
      issuer: issuer.certificate.subjectName,
      thisUpdate: options.thisUpdate ?? new Date(Date.now() - MINUTE_MS),
      ...(nextUpdate === null ? {} : { nextUpdate }),
      entries: revoked.map((each) => ({
        serialNumber: serialNumberOf(each),
        revocationDate: new Date(),
        reason: x509.X509CrlReason.keyCompromise,
      })),
      extensions: [
        await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey, false, webcrypto),
        new x509.Extension(CRL_NUMBER, false, derInteger(options.number ?? 1)),
        ...critical,
      ],
      signingAlgorithm: SIGNATURE,
      signingKey,
    },
    webcrypto,
  );
  // The label that Node and OpenSSL take.
  return `${x509.PemConverter.encode(crl.rawData, "X509 CRL")}\n`;
}

/** A small positive INTEGER. */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
  const hex = value.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  const content = Buffer.from(even >= "8" ? `00${even}` : even, "hex");
  return Uint8Array.from([2, content.length, ...content]);
}

function serialNumberOf(revoked: string): string {
  return revoked.startsWith("-----") ? new x509.X509Certificate(firstCertificate(revoked)).serialNumber : revoked;
}

/** The first certificate of a PEM text. */
export function firstCertificate(text: string): string {
  return /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/.exec(text)?.[0] ?? "";
}
