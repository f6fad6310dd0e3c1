/** A workload's name, taken apart (SPIFFE-ID §2). */
export interface SpiffeId {
  readonly uri: string;
  readonly trustDomain: string;
  /** With its leading slash; empty where the ID names the trust domain itself. */
  readonly path: string;
}

/** A text that is not a SPIFFE ID. */
export class SpiffeIdError extends TypeError {
  override readonly name = "SpiffeIdError";
}

const SCHEME = "spiffe://";
/** SPIFFE-ID §2.3: longer ones need not be supported, so nobody may depend on them. */
const MAX_BYTES = 2048;
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/**
 * Takes a SPIFFE ID apart by the letter of the standard (SPIFFE-ID §2): no port, user, query, fragment, percent-encoding,
 * upper-case trust domain, empty or dot segment, trailing slash. It does not normalize, as `new URL()` would: two texts
 * that differ are two workloads.
 *
 * @throws {SpiffeIdError} saying what is wrong with it
 *
 * @example
 * ```ts
 * import { parseSpiffeId } from "@zero-trust/mtls";
 *
 * const { path } = parseSpiffeId("spiffe://production.internal/order-service"); // "/order-service"
 * ```
 */
export function parseSpiffeId(uri: string): SpiffeId {
  // Every character that passes below is ASCII, so characters are bytes.
  if (uri.length > MAX_BYTES) {
    throw new SpiffeIdError(`A SPIFFE ID has at most ${MAX_BYTES} bytes.`);
  }
  if (!uri.startsWith(SCHEME)) {
    throw refusal(uri, `it must begin with ${SCHEME}`);
  }
  const [trustDomain = "", ...segments] = uri.slice(SCHEME.length).split("/");
  if (!TRUST_DOMAIN.test(trustDomain)) {
    throw refusal(uri, "the trust domain is 1 to 255 of a-z 0-9 . _ -");
  }
  for (const segment of segments) {
    if (!SEGMENT.test(segment)) {
      throw refusal(uri, "a path segment is one or more of A-Z a-z 0-9 . _ -");
    }
    if (segment === "." || segment === "..") {
      throw refusal(uri, "dot segments are not allowed");
    }
  }
  return Object.freeze({
    uri,
    trustDomain,
    path: uri.slice(SCHEME.length + trustDomain.length),
  });
}

function refusal(uri: string, why: string): SpiffeIdError {
  return new SpiffeIdError(`${printable(uri)} is not a SPIFFE ID: ${why}.`);
}

/** The text may come from a stranger's certificate and the message goes to a log: nothing but ASCII that one can see. */
function printable(text: string): string {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  const escaped = shown.replace(
    /[^\x21-\x7e…]|["\\]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}
