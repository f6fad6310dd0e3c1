import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { parseX509Svid, type X509Svid, X509SvidError } from "./x509-svid.ts";

/** Certificates and key, PEM. */
export interface TlsMaterial {
  /** The leaf, followed by its intermediates. */
  readonly cert: string;
  readonly key: string;
  /** The root certificates that peers are verified with. */
  readonly ca: string;
}

/** Who this process is on the network. */
export interface TlsIdentity {
  readonly spiffeId: string;
  /** Base64url SHA-256 of the leaf's DER: `x5t#S256` (RFC 8705 §3.1). */
  readonly thumbprint: string;
  /** Neither this nor its `key` is enumerable, so that logging or spreading an identity does not take the private key along. */
  readonly material: TlsMaterial;
}

/** Certificates or a key that cannot be used; the message says which, and the way out. */
export class TlsIdentityError extends Error {
  override readonly name = "TlsIdentityError";
}

/** What the parts are called in an error. */
type Names = Readonly<Record<keyof TlsMaterial, string>>;

/**
 * Reads `tls.crt`, `tls.key` and `ca.crt`: the names of a Kubernetes TLS secret as cert-manager writes it.
 *
 * @throws {TlsIdentityError} naming the file that is missing, unreadable or wrong
 *
 * @example
 * const identity = identityFromDirectory("/run/secrets/tls");
 */
export function identityFromDirectory(directory: string): TlsIdentity {
  const names: Names = {
    cert: join(directory, "tls.crt"),
    key: join(directory, "tls.key"),
    ca: join(directory, "ca.crt"),
  };
  const material = { cert: read(names.cert), key: read(names.key), ca: read(names.ca) };
  return checkedIdentity(material, names);
}

/**
 * Makes an identity of PEM texts.
 *
 * @throws {TlsIdentityError} saying which of them is wrong
 */
export function identityFromMemory(material: TlsMaterial): TlsIdentity {
  return checkedIdentity(material, {
    cert: "the certificate",
    key: "the private key",
    ca: "the CA",
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const why =
      code === "ENOENT" || code === "ENOTDIR"
        ? "does not exist; a TLS directory holds tls.crt, tls.key and ca.crt"
        : "cannot be read; check that this user may read the file";
    throw new TlsIdentityError(`${path} ${why}.`, { cause });
  }
}

function checkedIdentity(material: TlsMaterial, names: Names): TlsIdentity {
  const [leaf] = certificates(material.cert, names.cert);
  const authorities = certificates(material.ca, names.ca);
  if (leaf === undefined || authorities.length === 0) {
    const name = leaf === undefined ? names.cert : names.ca;
    throw new TlsIdentityError(`${sentence(name)} holds no certificate in PEM; issue it again.`);
  }
  if (!authorities.every(({ ca }) => ca)) {
    throw new TlsIdentityError(
      `${sentence(names.ca)} holds a certificate that is not a CA's; put the root certificates there.`,
    );
  }
  const svid = ownSvid(leaf, names.cert);
  const key = privateKey(material.key, names.key);
  if (!leaf.checkPrivateKey(key)) {
    throw new TlsIdentityError(`${sentence(names.key)} does not belong to ${names.cert}; issue the two together.`);
  }
  checkDates(svid, names.cert);
  return new CheckedIdentity(svid, material);
}

/** The certificates of a PEM text, in their order. */
function certificates(pem: string, name: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw new TlsIdentityError(`${sentence(name)} holds a damaged certificate; issue it again.`);
  }
}

function ownSvid(leaf: X509Certificate, name: string): X509Svid {
  try {
    // X509-SVID §4.4: where there is an extended key usage, it names both uses.
    return parseX509Svid(leaf.raw, ["client", "server"]);
  } catch (cause) {
    const why = cause instanceof X509SvidError ? cause.message : "It cannot be read.";
    throw new TlsIdentityError(`${sentence(name)} is not an X509-SVID; issue one that is. ${why}`, { cause });
  }
}

function privateKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // Without its cause, on purpose: what a parser says of a key has no place in a log.
    throw new TlsIdentityError(`${sentence(name)} holds no unencrypted private key in PEM; issue it again.`);
  }
}

function checkDates(svid: X509Svid, name: string): void {
  const now = Date.now();
  if (now > svid.notAfterMs) {
    throw new TlsIdentityError(
      `${sentence(name)} expired at ${new Date(svid.notAfterMs).toISOString()}; issue a new one.`,
    );
  }
  if (now < svid.notBeforeMs) {
    throw new TlsIdentityError(
      `${sentence(name)} is not valid before ${new Date(svid.notBeforeMs).toISOString()}; check this machine's clock.`,
    );
  }
}

function sentence(name: string): string {
  return name.startsWith("the ") ? `T${name.slice(1)}` : name;
}

class CheckedIdentity implements TlsIdentity {
  readonly spiffeId: string;
  readonly thumbprint: string;
  readonly #material: TlsMaterial;

  constructor(svid: X509Svid, { cert, key, ca }: TlsMaterial) {
    this.spiffeId = svid.spiffeId.uri;
    this.thumbprint = svid.thumbprint;
    this.#material = Object.freeze(Object.defineProperty({ cert, key, ca }, "key", { enumerable: false }));
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  /** Even when asked for hidden things and getters. */
  [inspect.custom](): object {
    return { spiffeId: this.spiffeId, thumbprint: this.thumbprint };
  }
}
