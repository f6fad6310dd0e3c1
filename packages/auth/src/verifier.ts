import type { Metadata } from "@grpc/grpc-js";
import type { Peer } from "@zero-trust/mtls";
import type { Finding } from "./decision.ts";
import { type Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";

/** The call that a credential came with. */
export interface CallFacts {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly peer: Peer;
  /** Milliseconds since 1970, by the clock that `protect()` was given. */
  readonly nowMs: number;
  /** The kinds of credentials that the remaining rules name. */
  readonly named: ReadonlySet<Credential>;
}

/** What a verifier says of a credential: the finding, and the id that may stand in a log. */
export interface Verification {
  readonly finding: Finding;
  /** The id of the key or token; caller-controlled, so it goes through `printable` before it is logged. */
  readonly id?: string;
  /** Judges a verified credential again while its call runs. */
  readonly recheck?: Recheck;
}

/**
 * What has become of a credential that let a call in: expired, revoked or withdrawn since, or still good. It is asked every second
 * for every running call, so it parses and verifies nothing again; throwing means that nobody can tell.
 *
 * @param nowMs - milliseconds since 1970, by the clock that `protect()` was given
 */
export type Recheck = (nowMs: number) => Finding | Promise<Finding>;

/** Checks credentials that stand in the metadata alone. */
export interface MetadataVerifier {
  readonly credential: typeof Credential.API_KEY | typeof Credential.BEARER;
  /** The metadata keys that it reads, removed before the handler sees the metadata. */
  readonly metadataKeys: readonly string[];
  isPresented(metadata: Metadata, named: ReadonlySet<Credential>): boolean;
  verify(metadata: Metadata, call: CallFacts): Verification | Promise<Verification>;
}

/** Checks signatures, which cover the message too. */
export interface SignatureVerifier {
  readonly credential: typeof Credential.HMAC;
  readonly metadataKeys: readonly string[];
  isPresented(metadata: Metadata, named: ReadonlySet<Credential>): boolean;
  /** All that can be checked before the message is there: `pending` comes with the signature to go on with. */
  open(metadata: Metadata, call: CallFacts): SignatureVerification | Promise<SignatureVerification>;
}

/** What a verifier says of a signature before the message is there. */
export type SignatureVerification = Verification & { readonly signature?: PendingSignature };

/** A signature that waits for the message it covers. */
export interface PendingSignature {
  /** Compares the signature with one over these bytes. */
  check(message: Uint8Array): Finding;
  /**
   * Uses up the nonce; undefined when this was its first use.
   *
   * @param nowMs - milliseconds since 1970: later than `CallFacts.nowMs` by the time that the caller took to send the message
   */
  claim(nowMs?: number): Finding | undefined | Promise<Finding | undefined>;
}

/** Either kind of verifier: what `apiKey()`, `bearer()` and `hmac()` return. */
export type Verifier = MetadataVerifier | SignatureVerifier;

/** One answer for whatever is wrong with a credential; only the log learns the cause. */
export function invalid(cause: string): Finding {
  return { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause };
}

/** The one value of a metadata key; undefined where there is none, several, or bytes. */
export function singleValue(metadata: Metadata, key: string): string | undefined {
  const values = metadata.get(key);
  const [value] = values;
  return typeof value === "string" && values.length === 1 ? value : undefined;
}
