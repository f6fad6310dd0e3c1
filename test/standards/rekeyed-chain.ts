import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { NotPresentable, RekeyableCertificate } from "./rekeyable-certificate.ts";

/** The certificates of a test case, PEM. */
export interface Chain {
  readonly trusted: readonly string[];
  readonly untrusted: readonly string[];
  readonly leaf: string;
}

/** The same with keys of ours, so that they can be presented. */
export interface RekeyedChain extends Chain {
  /** The leaf's, PEM. */
  readonly key: string;
}

/** How a chain is to be presented. */
export interface RekeyOptions {
  /** When the chain is to be judged, epoch milliseconds; undefined where that does not matter. */
  readonly atMs: number | undefined;
  readonly nowMs: number;
  /** Whether what is said of servers is to be said of clients, and the other way round. */
  readonly turned: boolean;
}

/** A handshake takes its time. */
const MINUTE_MS = 60_000;

/**
 * Gives each key of a test case a P-256 key of ours in its place, and signs again what was signed: who signed whom, names, extensions
 * and, where the case is not about another time, dates stay what they are. What nobody of the case has signed is signed by nobody again.
 *
 * @throws {NotPresentable} when the case is about a key, a signature or a second, or a certificate cannot be read
 */
export function rekeyedChain(chain: Chain, { atMs, nowMs, turned }: RekeyOptions): RekeyedChain {
  const all = [...chain.trusted, ...chain.untrusted, chain.leaf].map(
    (pem) => [pem, new RekeyableCertificate(pem)] as const,
  );
  const certificates = new Map(all);
  const keys = new Map(all.map(([, { publicKey }]) => [publicKey, newKeys()]));
  const laterMs = lateness([...certificates.values()], atMs, nowMs);

  const again = (pem: string): string => {
    const certificate = certificates.get(pem);
    if (certificate === undefined) throw new TypeError("A certificate of another case.");
    const signer = certificates.values().find((each) => certificate.isSignedBy(each));
    return certificate.replaced({
      publicKey: (keys.get(certificate.publicKey) ?? newKeys()).publicKey,
      signer: (keys.get(signer?.publicKey ?? "") ?? newKeys()).privateKey,
      laterMs,
      turned,
    });
  };

  const key = keys.get(certificates.get(chain.leaf)?.publicKey ?? "")?.privateKey;
  return {
    trusted: chain.trusted.map(again),
    untrusted: chain.untrusted.map(again),
    leaf: again(chain.leaf),
    key: key?.export({ type: "pkcs8", format: "pem" }).toString() ?? "",
  };
}

/** How much later all dates have to be, so that the chain is now what it was then: nothing where it is that already. */
function lateness(certificates: readonly RekeyableCertificate[], atMs: number | undefined, nowMs: number): number {
  if (atMs === undefined) return 0;
  const edges = certificates.flatMap(({ notBeforeMs, notAfterMs }) => [notBeforeMs, notAfterMs]);
  if (edges.some((edge) => Math.abs(edge - atMs) < MINUTE_MS)) {
    throw new NotPresentable("it is about seconds, and a handshake takes some");
  }
  const isAsThen = edges.every((edge) => edge < atMs === edge < nowMs);
  return isAsThen ? 0 : nowMs - atMs;
}

function newKeys(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "prime256v1" });
}
