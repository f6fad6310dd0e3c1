// @peculiar/x509 builds on tsyringe, which needs the polyfill to be there before it is loaded.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { newKeyPair, signingAlgorithm } from "./key-pair.ts";

/** Who signs: the certificate and the private key of a CA. */
export interface Signer {
  /** PEM. */
  readonly certificate: string;
  readonly key: webcrypto.CryptoKey;
}

/** A certificate that has just been signed, with its own private key. */
export interface Signed extends Signer {
  /** Hexadecimal, lower case. */
  readonly serial: string;
  readonly life: Life;
}

/** From when to when, epoch milliseconds. */
export interface Life {
  readonly fromMs: number;
  readonly toMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A verifier's clock may be this much behind ours; certificates and lists that are dated back by it work there at once. */
export const CLOCK_SKEW_MS = 60_000;
/** Ten years for roots: the machines that hold one are changed by `rotate-ca`, not by a date that nobody remembers. */
const ROOT_LIFE_MS = 3650 * DAY_MS;
/** Two years for intermediates: it is online, so it is not for ever. */
const INTERMEDIATE_LIFE_MS = 730 * DAY_MS;

const oids = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" };
const mayCertify = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;

/** The life that begins now. */
export function lifeOf(durationMs: number, nowMs: number): Life {
  // Certificates have whole seconds (RFC 5280 §4.1.2.5).
  const now = Math.floor(nowMs / 1000) * 1000;
  return { fromMs: now - CLOCK_SKEW_MS, toMs: now + durationMs };
}

/** A root that signs itself; path length 1. */
export async function signRoot(name: string, nowMs: number): Promise<Signed> {
  return sign({ name, life: lifeOf(ROOT_LIFE_MS, nowMs), extensions: authority(1) });
}

/** An intermediate, which may sign leaves only: path length 0. */
export async function signIntermediate(name: string, root: Signer, nowMs: number): Promise<Signed> {
  return sign({ name, issuer: root, life: lifeOf(INTERMEDIATE_LIFE_MS, nowMs), extensions: authority(0) });
}

/** An X509-SVID: one URI SAN, no CA, digitalSignature, for both ends of TLS (X509-SVID §2, §4). */
export async function signLeaf(
  leaf: { readonly spiffeId: string; readonly name: string; readonly dns: readonly string[]; readonly life: Life },
  intermediate: Signer,
): Promise<Signed> {
  const names = [
    { type: "url" as const, value: leaf.spiffeId },
    ...leaf.dns.map((value) => ({ type: "dns" as const, value })),
  ];
  return sign({
    name: leaf.name,
    issuer: intermediate,
    life: leaf.life,
    extensions: [
      new x509.SubjectAlternativeNameExtension(names),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([oids.serverAuth, oids.clientAuth]),
    ],
  });
}

function authority(pathLength: number): readonly x509.Extension[] {
  return [new x509.BasicConstraintsExtension(true, pathLength, true), new x509.KeyUsagesExtension(mayCertify, true)];
}

async function sign(what: {
  readonly name: string;
  /** Undefined: it signs itself. */
  readonly issuer?: Signer;
  readonly life: Life;
  readonly extensions: readonly x509.Extension[];
}): Promise<Signed> {
  const keys = await newKeyPair();
  const issuer = what.issuer === undefined ? undefined : new x509.X509Certificate(what.issuer.certificate);
  const subject = new x509.Name([{ CN: [what.name] }]);
  const serial = newSerial();
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial,
      subject,
      issuer: issuer?.subjectName ?? subject,
      notBefore: new Date(what.life.fromMs),
      notAfter: new Date(what.life.toMs),
      publicKey: keys.publicKey,
      signingKey: what.issuer?.key ?? keys.privateKey,
      signingAlgorithm,
      extensions: [
        ...what.extensions,
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(issuer?.publicKey ?? keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate: `${certificate.toString("pem")}\n`, key: keys.privateKey, serial, life: what.life };
}

/** Sixteen random bytes, positive and without leading zeros (RFC 5280 §4.1.2.2), hexadecimal. */
function newSerial(): string {
  const bytes = webcrypto.getRandomValues(Buffer.alloc(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
