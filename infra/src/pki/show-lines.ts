import { columns, minute, roughly } from "../command-line/table.ts";
import type { Shown, ShownPki } from "./show.ts";

/** A PKI as people read it. */
export function pkiLines({ trustDomain, authorities, certificates }: ShownPki): readonly string[] {
  const cas = authorities.map((ca) => [
    ca.name,
    ca.serial,
    minute(ca.to),
    roughly(ca.remainingSeconds),
    ca.state,
    `${ca.crlNumber}, until ${minute(ca.crlTo)}`,
  ]);
  return [
    `Trust domain ${trustDomain}`,
    "",
    ...columns([["CA", "serial", "to", "left", "state", "revocation list"], ...cas]),
    "",
    ...(certificates.length === 0
      ? ["No certificate that is still good; --all shows those that have ended."]
      : certificateLines(certificates)),
  ];
}

/** Certificates as people read them, with a line that names the columns. */
export function certificateLines(certificates: readonly Shown[]): readonly string[] {
  const rows = certificates.map((each) => [
    each.workload,
    each.serial,
    minute(each.from),
    minute(each.to),
    roughly(each.remainingSeconds),
    each.revokedAt === undefined ? each.state : `revoked ${minute(each.revokedAt)}`,
    each.ca,
    each.folder ?? "",
  ]);
  return columns([["workload", "serial", "from", "to", "left", "state", "CA", "folder"], ...rows]);
}
