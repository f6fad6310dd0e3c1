// @peculiar/x509 builds on tsyringe, which needs the polyfill to be there before it is loaded.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { CLOCK_SKEW_MS, type Signer } from "./certificates.ts";
import { signingAlgorithm } from "./key-pair.ts";

/** Why a certificate was revoked (RFC 5280 §5.3.1). */
export type RevocationReason =
  | "key-compromise"
  | "ca-compromise"
  | "superseded"
  | "cessation-of-operation"
  | "privilege-withdrawn";

export const revocationReasons: Readonly<Record<RevocationReason, x509.X509CrlReason>> = {
  "key-compromise": x509.X509CrlReason.keyCompromise,
  "ca-compromise": x509.X509CrlReason.cACompromise,
  superseded: x509.X509CrlReason.superseded,
  "cessation-of-operation": x509.X509CrlReason.cessationOfOperation,
  "privilege-withdrawn": x509.X509CrlReason.privilegeWithdrawn,
};

/** A line of a revocation list. */
export interface Revocation {
  readonly serial: string;
  /** ISO 8601. */
  readonly at: string;
  /** Always there: @peculiar/x509 writes an empty list of extensions for an entry without one, which RFC 5280 §5.1 forbids. */
  readonly reason: RevocationReason;
}

const CRL_NUMBER = "2.5.29.20";

/**
 * Signs a revocation list, PEM.
 *
 * @param list.number - greater than that of any list of this CA before (RFC 5280 §5.2.3)
 * @param list.lifeMs - after this the list refuses everything that this CA has signed
 */
export async function signRevocationList(
  list: {
    readonly number: number;
    readonly revoked: readonly Revocation[];
    readonly nowMs: number;
    readonly lifeMs: number;
  },
  signer: Signer,
): Promise<string> {
  const issuer = new x509.X509Certificate(signer.certificate);
  const crl = await x509.X509CrlGenerator.create(
    {
      issuer: issuer.subjectName,
      thisUpdate: new Date(list.nowMs - CLOCK_SKEW_MS),
      nextUpdate: new Date(list.nowMs + list.lifeMs),
      entries: list.revoked.map(({ serial, at, reason }) => ({
        serialNumber: serial,
        revocationDate: new Date(at),
        reason: revocationReasons[reason],
      })),
      extensions: [
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
        new x509.Extension(CRL_NUMBER, false, derInteger(list.number)),
      ],
      signingAlgorithm,
      signingKey: signer.key,
    },
    webcrypto,
  );
  // Its own PEM says "CRL", which OpenSSL does not know (RFC 7468 §7: "X509 CRL").
  return `${x509.PemConverter.encode(crl.rawData, "X509 CRL")}\n`;
}

function derInteger(value: number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  // The first bit is the sign.
  const content = ((bytes[0] ?? 0) & 0x80) === 0 ? bytes : Buffer.concat([Buffer.of(0), bytes]);
  return Buffer.concat([Buffer.of(0x02, content.length), content]);
}

/** The serial numbers that an issuer's lists in a PEM text have, and since when. */
export function revokedSerials(pem: string, issuer: string): ReadonlyMap<string, string> {
  const blocks = pem.match(/-----BEGIN X509 CRL-----[\s\S]*?-----END X509 CRL-----/g) ?? [];
  const lists = blocks.map((block) => new x509.X509Crl(block)).filter((list) => list.issuer === issuer);
  return new Map(
    lists.flatMap(({ entries }) =>
      entries.map(({ serialNumber, revocationDate }) => [serialNumber.toLowerCase(), revocationDate.toISOString()]),
    ),
  );
}
