// @peculiar/x509 builds on tsyringe, which needs the polyfill to be there before it is loaded.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { type CaName, type CrlOptions, type CrlsOptions, firstCertificate, revocationList } from "./revocation-list.ts";
import { newKeys, privateKeyPem, SIGNATURE, type Signer, signerOf, weakKeys } from "./signer.ts";

/** What may be said about a key's use (RFC 5280 §4.2.1.3). */
export type LeafKeyUsage = "digitalSignature" | "keyEncipherment" | "keyAgreement" | "keyCertSign" | "cRLSign";

/** Object identifiers for {@link LeafOptions.eku} (RFC 5280 §4.2.1.12). */
export const extendedKeyUsage: {
  readonly serverAuth: string;
  readonly clientAuth: string;
  readonly codeSigning: string;
  readonly any: string;
} = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  codeSigning: "1.3.6.1.5.5.7.3.3",
  any: "2.5.29.37.0",
};

/** What a leaf says. The defaults make a good certificate; every member can make a bad one. */
export interface LeafOptions {
  /** The URI SAN, and the source of the DNS SAN `<last path segment>.<trust domain>`. */
  readonly spiffeId?: string;
  /** The URI SANs as they are, instead of `spiffeId` alone. */
  readonly uris?: readonly string[];
  /** The DNS SANs as they are. */
  readonly dns?: readonly string[];
  readonly commonName?: string;
  /** Default: one minute ago. */
  readonly notBefore?: Date;
  /** Default: in 24 hours. */
  readonly notAfter?: Date;
  /** Object identifiers, `null` for no such extension. Default: serverAuth and clientAuth. */
  readonly eku?: readonly string[] | null;
  /** `null` for no such extension. Default: digitalSignature. */
  readonly keyUsage?: readonly LeafKeyUsage[] | null;
  /** `null` for no such extension. Default: false. */
  readonly basicConstraintsCa?: boolean | null;
  /** Leaves the intermediate out of `cert`, so that nobody can build the chain. */
  readonly withoutIntermediate?: boolean;
  /** Signs the leaf with the root. */
  readonly issuedByRoot?: boolean;
  /** Signs the leaf with its own key. */
  readonly selfSigned?: boolean;
  /** Signs the leaf with another, good, leaf of this CA; or with one that is good but for its key usage keyCertSign. */
  readonly issuedByLeaf?: boolean | "with keyCertSign";
  /** Puts a second intermediate into the chain, which the first one's path length forbids. */
  readonly extraIntermediate?: boolean;
  /** Makes this many intermediates for the leaf alone, none of which forbids the next. */
  readonly intermediates?: number;
  /** Names the issuer and its key, and signs with another one. */
  readonly forged?: boolean;
  /** Signs the leaf with the root's other intermediate. */
  readonly bySecondIntermediate?: boolean;
  /** Gives the leaf an RSA key of 1024 bits, which OpenSSL does not use. */
  readonly weakKey?: boolean;
}

/** A certificate with its key, PEM; `cert` is the leaf followed by the intermediates. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** What a {@link TestCa} is. */
export interface CaOptions {
  /** Begins the names of its CAs. Default: Test. */
  readonly name?: string;
  /** Denies the intermediate the signing of revocation lists, which it does all the same. */
  readonly withoutCrlSign?: boolean;
  /** How many intermediates the root allows below it, one after the other. Default: 1. */
  readonly rootPathLength?: number;
  /** The root and the intermediate of another CA, in whose place it signs; its own unless given. */
  readonly authority?: { readonly root: AuthorityKeys; readonly intermediate: AuthorityKeys };
}

/** A certificate of a CA and its private key, PEM. */
export interface AuthorityKeys {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority that lives in memory. */
export interface TestCa {
  /** The root, PEM. */
  readonly ca: string;
  /** What issues the leaves, PEM. */
  readonly intermediate: string;
  /** The root's other intermediate, PEM. */
  readonly secondIntermediate: string;
  issue(options: LeafOptions): Promise<IssuedCertificate>;
  /** A revocation list of one CA, PEM. */
  crl(options: CrlOptions): Promise<string>;
  /** The revocation lists of several of its CAs, PEM, each with those of the given certificates that it issued. */
  crls(options?: CrlsOptions): Promise<string>;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const FLAG: Readonly<Record<LeafKeyUsage, x509.KeyUsageFlags>> = {
  digitalSignature: x509.KeyUsageFlags.digitalSignature,
  keyEncipherment: x509.KeyUsageFlags.keyEncipherment,
  keyAgreement: x509.KeyUsageFlags.keyAgreement,
  keyCertSign: x509.KeyUsageFlags.keyCertSign,
  cRLSign: x509.KeyUsageFlags.cRLSign,
};

/**
 * Makes a throwaway CA: a root, an intermediate that may sign leaves only, P-256 throughout.
 *
 * @example
 * ```ts
 * import { createCa } from "@zero-trust/testkit";
 *
 * const ca = await createCa();
 * const order = await ca.issue({ spiffeId: "spiffe://production.internal/order-service" });
 * ```
 */
export async function createCa(options: CaOptions = {}): Promise<TestCa> {
  const name = options.name ?? "Test";
  const { authority } = options;
  const root = await (authority === undefined
    ? certificateAuthority(`${name} Root`, options.rootPathLength ?? 1, undefined)
    : signerOf(authority.root));
  const intermediate = await (authority === undefined
    ? certificateAuthority(`${name} Intermediate`, 0, root, options.withoutCrlSign)
    : signerOf(authority.intermediate));
  const secondIntermediate = await certificateAuthority(`${name} Second Intermediate`, 0, root);
  const authorities: Readonly<Record<CaName, Signer>> = { root, intermediate, secondIntermediate };
  const ca = pem(root.certificate);

  async function issue(leaf: LeafOptions): Promise<IssuedCertificate> {
    const keys = await (leaf.weakKey === true ? weakKeys() : newKeys());
    const chain = await issuersOf(leaf);
    const issuer = leaf.selfSigned === true ? undefined : (chain[0] ?? root);
    const forgery = leaf.forged === true ? { signingKey: (await newKeys()).privateKey } : {};
    const certificate = await sign({
      subject: commonName(leaf.commonName ?? leaf.spiffeId?.split("/").at(-1) ?? "workload"),
      keys,
      issuer,
      notBefore: leaf.notBefore ?? new Date(Date.now() - MINUTE_MS),
      notAfter: leaf.notAfter ?? new Date(Date.now() + DAY_MS),
      extensions: leafExtensions(leaf),
      ...forgery,
    });
    const presented = leaf.withoutIntermediate === true ? [] : chain;
    return {
      cert: [certificate, ...presented.map((each) => each.certificate)].map(pem).join(""),
      key: await privateKeyPem(keys.privateKey),
      ca,
    };
  }

  /** The issuers of a leaf, nearest first, without the root. */
  async function issuersOf(leaf: LeafOptions): Promise<readonly Signer[]> {
    if (leaf.selfSigned === true || leaf.issuedByRoot === true) {
      return [];
    }
    if (leaf.extraIntermediate === true) {
      return [await certificateAuthority(`${name} Extra`, 0, intermediate), intermediate];
    }
    if (leaf.intermediates !== undefined) {
      const chain: Signer[] = [];
      for (let count = 1; count <= leaf.intermediates; count += 1) {
        chain.unshift(await certificateAuthority(`${name} Intermediate ${count}`, undefined, chain[0] ?? root));
      }
      return chain;
    }
    if (leaf.issuedByLeaf !== undefined && leaf.issuedByLeaf !== false) {
      const keys = await newKeys();
      const certificate = await sign({
        subject: commonName("a leaf that signs"),
        keys,
        issuer: intermediate,
        notBefore: new Date(Date.now() - MINUTE_MS),
        notAfter: new Date(Date.now() + DAY_MS),
        extensions: leafExtensions({
          spiffeId: "spiffe://production.internal/signing-leaf",
          ...(leaf.issuedByLeaf === true ? {} : { keyUsage: ["digitalSignature", "keyCertSign"] }),
        }),
      });
      return [{ certificate, keys }, intermediate];
    }
    return [leaf.bySecondIntermediate === true ? secondIntermediate : intermediate];
  }

  async function crls(options: CrlsOptions = {}): Promise<string> {
    const { revoked = [], issuers = ["root", "intermediate"], ...rest } = options;
    const lists = issuers.map((issuer) => {
      const { subject } = authorities[issuer].certificate;
      const its = revoked.filter((each) => new x509.X509Certificate(firstCertificate(each)).issuer === subject);
      return revocationList(authorities[issuer], { ...rest, issuer, revoked: its });
    });
    return (await Promise.all(lists)).join("");
  }

  return {
    ca,
    intermediate: pem(intermediate.certificate),
    secondIntermediate: pem(secondIntermediate.certificate),
    issue,
    crl: (options) => revocationList(authorities[options.issuer], options),
    crls,
  };
}

async function certificateAuthority(
  name: string,
  pathLength: number | undefined,
  issuer: Signer | undefined,
  withoutCrlSign = false,
): Promise<Signer> {
  const keys = await newKeys();
  const certificate = await sign({
    subject: commonName(name),
    keys,
    issuer,
    // Long before and after any leaf, so that a leaf's own dates are what a test is about.
    notBefore: new Date(Date.now() - 365 * DAY_MS),
    notAfter: new Date(Date.now() + 3650 * DAY_MS),
    extensions: [
      new x509.BasicConstraintsExtension(true, pathLength, true),
      new x509.KeyUsagesExtension(withoutCrlSign ? FLAG.keyCertSign : FLAG.keyCertSign | FLAG.cRLSign, true),
    ],
  });
  return { certificate, keys };
}

interface ToSign {
  readonly subject: string;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly issuer: Signer | undefined;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly x509.Extension[];
  /** Default: the issuer's, which the certificate names in any case. */
  readonly signingKey?: webcrypto.CryptoKey;
}

async function sign(what: ToSign): Promise<x509.X509Certificate> {
  const signer = what.issuer?.keys ?? what.keys;
  return x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: what.subject,
      issuer: what.issuer?.certificate.subject ?? what.subject,
      notBefore: what.notBefore,
      notAfter: what.notAfter,
      publicKey: what.keys.publicKey,
      signingKey: what.signingKey ?? signer.privateKey,
      signingAlgorithm: SIGNATURE,
      extensions: [
        ...what.extensions,
        await x509.SubjectKeyIdentifierExtension.create(what.keys.publicKey, false, webcrypto),
        await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
}

function leafExtensions(leaf: LeafOptions): x509.Extension[] {
  const extensions: x509.Extension[] = [];
  const names = [
    ...urisOf(leaf).map((value) => ({ type: "url" as const, value })),
    ...dnsOf(leaf).map((value) => ({ type: "dns" as const, value })),
  ];
  if (names.length > 0) {
    extensions.push(new x509.SubjectAlternativeNameExtension(names));
  }
  const ca = leaf.basicConstraintsCa === undefined ? false : leaf.basicConstraintsCa;
  if (ca !== null) {
    extensions.push(new x509.BasicConstraintsExtension(ca, undefined, true));
  }
  const usage = leaf.keyUsage === undefined ? (["digitalSignature"] as const) : leaf.keyUsage;
  if (usage !== null) {
    const flags = usage.reduce((sum, each) => sum | FLAG[each], 0);
    extensions.push(new x509.KeyUsagesExtension(flags, true));
  }
  const eku = leaf.eku === undefined ? [extendedKeyUsage.serverAuth, extendedKeyUsage.clientAuth] : leaf.eku;
  if (eku !== null) {
    extensions.push(new x509.ExtendedKeyUsageExtension([...eku]));
  }
  return extensions;
}

function urisOf(leaf: LeafOptions): readonly string[] {
  return leaf.uris ?? (leaf.spiffeId === undefined ? [] : [leaf.spiffeId]);
}

function dnsOf(leaf: LeafOptions): readonly string[] {
  if (leaf.dns !== undefined) {
    return leaf.dns;
  }
  const match = /^spiffe:\/\/([^/]+)\/(?:.*\/)?([a-zA-Z0-9-]+)$/.exec(leaf.spiffeId ?? "");
  return match === null ? [] : [`${match[2]}.${match[1]}`];
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString("pem")}\n`;
}

function commonName(name: string): string {
  return new x509.Name([{ CN: [name] }]).toString();
}

/** A random positive serial number of 16 bytes, hexadecimal (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(Buffer.alloc(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
