/** Certificates and key, PEM. */
export interface TlsMaterial {
  /** The leaf, followed by its intermediates. */
  readonly cert: string;
  readonly key: string;
  /** The root certificates that peers are verified with; and intermediates that have a list in `crl` and are not in `cert`. */
  readonly ca: string;
  /**
   * Revocation lists with the label `X509 CRL`, one after the other. None: nothing is revoked. One: every chain of a peer needs one
   * for each of its CAs, so there is one for each root and each intermediate.
   */
  readonly crl?: string | undefined;
}

/** Certificates or a key that cannot be used; the message says which, and the way out. */
export class TlsIdentityError extends Error {
  override readonly name = "TlsIdentityError";
}

/** What the parts are called in an error. */
export type TlsMaterialNames = Readonly<Record<keyof TlsMaterial, string>>;

/** A name at the beginning of a sentence. */
export function sentence(name: string): string {
  return name.startsWith("the ") ? `T${name.slice(1)}` : name;
}
