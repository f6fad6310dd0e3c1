import { X509Certificate } from "node:crypto";
import { CommandError } from "../command-line/command-error.ts";
import { pastHalf } from "./authority.ts";
import { type CaRecord, certificatesInUse, type IssuedCertificate, type PkiIndex } from "./pki-index.ts";
import { revokedSerials } from "./revocation-list.ts";
import { readTlsFiles } from "./tls-folder.ts";

/** A certificate as it is shown. */
export interface Shown {
  readonly workload: string;
  readonly serial: string;
  /** ISO 8601, UTC. */
  readonly from: string;
  readonly to: string;
  /** Until `to`, negative after it. */
  readonly remainingSeconds: number;
  readonly state: "good" | "due" | "replaced" | "expired" | "revoked";
  readonly revokedAt?: string;
  /** The common name of the CA that signed it. */
  readonly ca: string;
  readonly folder?: string;
}

/** A CA as it is shown. */
export interface ShownCa {
  readonly name: string;
  readonly serial: string;
  readonly from: string;
  readonly to: string;
  readonly remainingSeconds: number;
  /** `next` and `old` while `rotate-ca` is on its way. */
  readonly state: "active" | "next" | "old" | "revoked";
  readonly crlNumber: number;
  /** When its revocation list ends. */
  readonly crlTo: string;
}

/** What a PKI has. */
export interface ShownPki {
  readonly trustDomain: string;
  readonly authorities: readonly ShownCa[];
  readonly certificates: readonly Shown[];
}

/**
 * What there is to see of a PKI.
 *
 * @param options.all - certificates that have ended, too
 */
export function showPki(index: PkiIndex, options: { readonly all: boolean; readonly nowMs: number }): ShownPki {
  const { nowMs } = options;
  const inUse = certificatesInUse(index);
  const authorities = index.authorities.flatMap(({ id, root, intermediate }) => {
    const state = id === index.active ? "active" : id < index.active ? "old" : "next";
    return [root, intermediate].map((ca): ShownCa => showCa(ca, state, nowMs));
  });
  const names = new Map(index.authorities.map(({ id, intermediate }) => [id, intermediate.name]));
  const certificates = index.certificates
    .filter(({ to }) => options.all || Date.parse(to) > nowMs)
    .map(
      (each): Shown => ({
        workload: each.workload,
        serial: each.serial,
        from: each.from,
        to: each.to,
        remainingSeconds: secondsUntil(each.to, nowMs),
        state: stateOf(each, inUse.get(each.folder) === each, nowMs),
        ...(each.revoked === undefined ? {} : { revokedAt: each.revoked.at }),
        ca: names.get(each.authority) ?? `${index.trustDomain} intermediate ${each.authority} (removed)`,
        folder: each.folder,
      }),
    );
  return { trustDomain: index.trustDomain, authorities, certificates };
}

/** What a TLS folder says of itself, without its PKI. */
export function showFolder(folder: string, nowMs: number): Shown {
  const files = readTlsFiles(folder);
  if (files["tls.crt"] === undefined) throw new CommandError(`${folder} has no tls.crt.`);
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(files["tls.crt"]);
  } catch {
    throw new CommandError(`${folder} has a tls.crt that is not a certificate in PEM.`);
  }
  const serial = leaf.serialNumber.toLowerCase();
  const dates = { from: leaf.validFromDate.toISOString(), to: leaf.validToDate.toISOString() };
  const revokedAt = revokedSerials(files["ca.crl"] ?? "", leaf.issuer).get(serial);
  return {
    workload: /URI:spiffe:\/\/[^/,"]+\/([A-Za-z0-9._/-]+)/.exec(leaf.subjectAltName ?? "")?.[1] ?? "(no SPIFFE ID)",
    serial,
    ...dates,
    remainingSeconds: secondsUntil(dates.to, nowMs),
    state: stateOf({ ...dates, revoked: revokedAt }, true, nowMs),
    ...(revokedAt === undefined ? {} : { revokedAt }),
    ca: leaf.issuer.replace(/^CN=/, ""),
    folder,
  };
}

function showCa(ca: CaRecord, state: ShownCa["state"], nowMs: number): ShownCa {
  return {
    name: ca.name,
    serial: ca.serial,
    from: ca.from,
    to: ca.to,
    remainingSeconds: secondsUntil(ca.to, nowMs),
    state: ca.revoked === undefined ? state : "revoked",
    crlNumber: ca.crl.number,
    crlTo: ca.crl.to,
  };
}

function stateOf(
  certificate: Pick<IssuedCertificate, "from" | "to"> & { readonly revoked?: unknown },
  inUse: boolean,
  nowMs: number,
): Shown["state"] {
  if (certificate.revoked !== undefined) return "revoked";
  if (nowMs >= Date.parse(certificate.to)) return "expired";
  if (!inUse) return "replaced";
  return pastHalf(certificate, nowMs) ? "due" : "good";
}

function secondsUntil(to: string, nowMs: number): number {
  return Math.floor((Date.parse(to) - nowMs) / 1000);
}
