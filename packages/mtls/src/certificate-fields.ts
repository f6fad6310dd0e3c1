import { DER, derContent, derInteger, derOnly, derValues } from "./der.ts";

/**
 * What a CRL knows a certificate by (RFC 5280 §5.1), and who issued whom. All are the DER in hexadecimal, compared byte for
 * byte: §4.1.2.4 and §5.1.2.3 have a CA write its name always the same, and a name as text can be made to look like another.
 */
export interface CertificateFields {
  readonly serialNumber: string;
  readonly issuer: string;
  readonly subject: string;
}

/** `[0] EXPLICIT` in TBSCertificate: the version, absent in version 1. */
const VERSION_TAG = 0xa0;

/**
 * Reads the serial number and the two names of a certificate (RFC 5280 §4.1).
 *
 * @throws {DerError} when the bytes are not a certificate in DER
 */
export function certificateFields(der: Uint8Array): CertificateFields {
  const [tbs] = derValues(derOnly(der, DER.sequence));
  const fields = derValues(derContent(tbs, DER.sequence));
  const [serial, , issuer, , subject] = fields[0]?.tag === VERSION_TAG ? fields.slice(1) : fields;
  return {
    serialNumber: derInteger(serial),
    issuer: Buffer.from(derContent(issuer, DER.sequence)).toString("hex"),
    subject: Buffer.from(derContent(subject, DER.sequence)).toString("hex"),
  };
}
