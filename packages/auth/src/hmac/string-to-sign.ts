/** What goes into a signature besides the message. */
export interface SignedHead {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Unix seconds, ten digits. */
  readonly timestamp: string;
  /** 16 to 64 lower-case hexadecimal digits. */
  readonly nonce: string;
}

/**
 * The bytes before the message that a signature covers: `POST`, path, timestamp and nonce, a line each. None of them can
 * hold a line feed, so that no two requests have the same bytes.
 */
export function signedHead({ path, timestamp, nonce }: SignedHead): string {
  return `POST\n${path}\n${timestamp}\n${nonce}\n`;
}

/** A metadata key of a signature. */
export type HmacKey = "x-api-key" | "x-timestamp" | "x-nonce" | "x-signature";

/** The four metadata keys of a signature, and the grammar of each value. */
export const hmacGrammar: Readonly<Record<HmacKey, RegExp>> = {
  "x-api-key": /^hk-[a-z0-9]{8,32}$/,
  "x-timestamp": /^[0-9]{10}$/,
  "x-nonce": /^[0-9a-f]{16,64}$/,
  "x-signature": /^[0-9a-f]{64}$/,
};

/** The keys, in the order in which they are looked at. */
export const hmacKeys: readonly HmacKey[] = ["x-api-key", "x-timestamp", "x-nonce", "x-signature"];

/**
 * How far a timestamp may lie from the server's time, in seconds, where a server says nothing else: room for a slow clock, and none
 * to speak of for a fast one.
 */
export const defaultWindow = { pastSeconds: 300, futureSeconds: 5 } as const;

/** What a signing secret looks like: `hs-` and 43 base64url characters, of which 256 bits are random. */
export const signingSecretPattern: RegExp = /^hs-[A-Za-z0-9_-]{43}$/;
