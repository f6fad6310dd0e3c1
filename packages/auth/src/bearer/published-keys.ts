import { type CryptoKey, importJWK } from "jose";
import type { JsonObject } from "../json-shape.ts";
import type { TokenAlgorithm, VerificationKey } from "./key-set.ts";
import { isRocaKey } from "./roca.ts";

/** The keys of one version of a JWKS. */
export interface PublishedKeys {
  /** By {@link nameOf}. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** By what they are made of, so that a key that is published again is the same object. */
  readonly byMembers: ReadonlyMap<string, VerificationKey>;
  /** Why keys are ignored. */
  readonly complaints: ReadonlySet<string>;
}

/** What a `kid` may look like. It is attacker's input: no path, no query, nothing that a log has to escape. */
export const keyId: RegExp = /^[A-Za-z0-9._-]{1,128}$/;

/** For each type of key: the members that make it (RFC 7638 §3.2), and what it may sign with. */
const keyTypes: Readonly<
  Record<
    string,
    { readonly members: readonly string[]; readonly curve?: string; readonly algorithms: readonly TokenAlgorithm[] }
  >
> = {
  EC: { members: ["crv", "x", "y"], curve: "P-256", algorithms: ["ES256"] },
  OKP: { members: ["crv", "x"], curve: "Ed25519", algorithms: ["Ed25519"] },
  RSA: { members: ["e", "n"], algorithms: ["RS256", "PS256"] },
};
/** What only a private or a symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4). A key that is published with it is anybody's. */
const secretMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
/** Under 2048 bits is weak (RFC 7518 §3.3), over 8192 a single verification takes long. */
const rsaBits = { least: 2048, most: 8192 };

/** More than any server signs with. Each that is ignored is told of, and a document has room for 20 000 of them. */
const maxEntries = 100;

/** One key of one algorithm. */
export function nameOf({ kid, alg }: { readonly kid: string; readonly alg: TokenAlgorithm }): string {
  return `${alg} ${kid}`;
}

/**
 * Takes the signing keys out of a JWKS. What is weak, secret or for something else is ignored, so that it can neither be picked
 * nor break the others, and told once.
 *
 * @param json - the document
 * @param last - what was made of it before
 * @param onIgnored - told why a key is ignored, when the version before did not have it
 * @throws Error when there is no key left, or more than any server has
 */
export async function publishedKeys(
  json: unknown,
  last: PublishedKeys | undefined,
  onIgnored?: (error: Error) => void,
): Promise<PublishedKeys> {
  const complaints = new Set<string>();
  const byKid = new Map<string, readonly PublishedKey[]>();
  for (const [index, entry] of entriesOf(json).entries()) {
    const kid = kidOf(entry);
    try {
      if (kid === undefined) throw new UnfitKey("its kid is missing or malformed");
      const found = await keysOf(kid, entry as JsonObject, last);
      // Nobody can tell which of two keys of one name is meant (RFC 7517 §4.5), so neither is.
      const isTaken = byKid.has(kid);
      byKid.set(kid, isTaken ? [] : found);
      if (isTaken) throw new UnfitKey("another key has its kid");
    } catch (error) {
      const why = error instanceof UnfitKey ? error.message : "it cannot be imported";
      complaints.add(`the key ${kid ?? `at ${index}`} of the key set is ignored: ${why}`);
    }
  }
  for (const complaint of complaints) if (last?.complaints.has(complaint) !== true) onIgnored?.(new Error(complaint));
  const found = [...byKid.values()].flat();
  if (found.length === 0) throw new Error("it holds no signing key");
  return {
    keys: new Map(found.map(({ key }) => [nameOf(key), key])),
    byMembers: new Map(found.map(({ members, key }) => [members, key])),
    complaints,
  };
}

function entriesOf(json: unknown): readonly unknown[] {
  const entries = typeof json === "object" && json !== null && "keys" in json ? json.keys : undefined;
  if (!Array.isArray(entries)) throw new Error("it is no JWKS");
  if (entries.length > maxEntries) throw new Error(`it holds more than ${maxEntries} keys`);
  return entries as unknown[];
}

class UnfitKey extends Error {}

interface PublishedKey {
  readonly key: VerificationKey;
  /** What it is made of: the same text, the same key. */
  readonly members: string;
}

function kidOf(entry: unknown): string | undefined {
  const kid = typeof entry === "object" && entry !== null && "kid" in entry ? entry.kid : undefined;
  return typeof kid === "string" && keyId.test(kid) ? kid : undefined;
}

async function keysOf(kid: string, jwk: JsonObject, last: PublishedKeys | undefined): Promise<PublishedKey[]> {
  const { kty, use, key_ops: operations, alg: named } = jwk;
  if (secretMembers.some((member) => Object.hasOwn(jwk, member))) throw new UnfitKey("it is published with its secret");
  const type = typeof kty === "string" && Object.hasOwn(keyTypes, kty) ? keyTypes[kty] : undefined;
  if (type === undefined) throw new UnfitKey("it is of another type");
  if (type.curve !== undefined && jwk["crv"] !== type.curve) throw new UnfitKey("it is on another curve");
  if (use !== undefined && use !== "sig") throw new UnfitKey("it is not for signatures");
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) {
    throw new UnfitKey("it is not for verifying");
  }
  const algorithms = type.algorithms.filter((alg) => named === undefined || named === alg);
  if (algorithms.length === 0) throw new UnfitKey("its algorithm is another");
  const material: Record<string, string> = Object.fromEntries(type.members.map((name) => [name, member(jwk, name)]));
  refuseWeak(material);
  return Promise.all(
    algorithms.map(async (alg) => {
      const members = JSON.stringify([kid, alg, material]);
      const known = last?.byMembers.get(members);
      const key = known ?? { kid, alg, key: (await importJWK({ kty, ...material } as never, alg)) as CryptoKey };
      return { key, members };
    }),
  );
}

function member(jwk: JsonObject, name: string): string {
  const value = jwk[name];
  if (typeof value !== "string") throw new UnfitKey(`its ${name} is missing`);
  return value;
}

function refuseWeak({ n, e }: { readonly n?: string; readonly e?: string }): void {
  if (n === undefined || e === undefined) return;
  const modulus = bigInt(n);
  const bits = modulus.toString(2).length;
  if (bits < rsaBits.least || bits > rsaBits.most) throw new UnfitKey(`it has ${bits} bits`);
  if (isRocaKey(modulus)) throw new UnfitKey("it has the mark of keys that can be factored (CVE-2017-15361)");
  const exponent = bigInt(e);
  if (exponent < 65_537n || exponent % 2n === 0n || exponent >= 2n ** 32n) throw new UnfitKey("its exponent is unfit");
}

function bigInt(base64url: string): bigint {
  return BigInt(`0x0${Buffer.from(base64url, "base64url").toString("hex")}`);
}
