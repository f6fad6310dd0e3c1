import { checkedMaterial } from "./checked-material.ts";
import { CurrentIdentity } from "./current-identity.ts";
import type { IdentityRule } from "./identity-rule.ts";
import type { TlsMaterial, TlsMaterialNames } from "./tls-material.ts";
import type { Trust } from "./trust.ts";

export {
  type DirectoryIdentity,
  type DirectoryIdentityOptions,
  type DirectoryIdentityStatus,
  identityFromDirectory,
  type TlsIdentityEvent,
} from "./directory-identity.ts";
export { TlsIdentityError, type TlsMaterial } from "./tls-material.ts";

/** Who this process is on the network. All members but the first are what they are now: certificates change. */
export interface TlsIdentity {
  readonly spiffeId: string;
  /** Base64url SHA-256 of the leaf's DER: `x5t#S256` (RFC 8705 §3.1). */
  readonly thumbprint: string;
  /** Neither this nor its `key` is enumerable, so that logging or spreading an identity does not take the private key along. */
  readonly material: TlsMaterial;
  readonly trust: Trust;
  /** How this PKI's certificates name workloads: this one's, and its peers'. */
  readonly identityRule: IdentityRule;
  /** When the leaf or one of its intermediates ends, whichever is first; epoch milliseconds. */
  readonly expiresAtMs: number;
  /**
   * Tells of every change, after it. What a listener throws is warned of and stops nobody.
   *
   * @returns what ends it
   */
  onChange(listener: () => void): () => void;
}

/** An identity whose owner replaces its certificates. */
export interface MemoryIdentity extends TlsIdentity {
  /**
   * Takes other certificates, which are checked as those of the start, and besides must be of the same SPIFFE ID and loosen nothing:
   * revocation lists may not vanish or be older than those in use. The same ones are no change.
   *
   * @throws {TlsIdentityError} saying which of them is wrong; those before stay in use
   */
  replace(material: TlsMaterial): void;
}

const NAMES: TlsMaterialNames = {
  cert: "the certificate",
  key: "the private key",
  ca: "the CA",
  crl: "the revocation list",
};

/**
 * Makes an identity of PEM texts.
 *
 * @param options - `identityRule`: how this PKI names workloads, by their SPIFFE IDs unless given; `now`: epoch milliseconds,
 *   default `Date.now`
 * @throws {TlsIdentityError} saying which of them is wrong
 */
export function identityFromMemory(
  material: TlsMaterial,
  options: { readonly identityRule?: IdentityRule; readonly now?: () => number } = {},
): MemoryIdentity {
  return new ReplaceableIdentity(material, options);
}

class ReplaceableIdentity extends CurrentIdentity implements MemoryIdentity {
  readonly #now: () => number;

  constructor(
    material: TlsMaterial,
    { identityRule, now = Date.now }: Parameters<typeof identityFromMemory>[1] & object,
  ) {
    super(checkedMaterial(material, NAMES, now(), { identityRule }));
    this.#now = now;
  }

  replace(material: TlsMaterial): void {
    const checked = checkedMaterial(material, NAMES, this.#now(), {
      identityRule: this.identityRule,
      earlier: this.checked,
    });
    const { cert, key, ca, crl } = this.material;
    const { material: next } = checked;
    if (next.cert !== cert || next.key !== key || next.ca !== ca || next.crl !== crl) {
      this.become(checked);
    }
  }
}
