import { clientId } from "../client-id.ts";
import { JsonShapeError, list, object, onlyKeys, text } from "../json-shape.ts";
import { type PollOptions, polledDocument } from "./polled-document.ts";

/** What a token is revoked by. */
export interface RevocableToken {
  readonly jti: string;
  readonly client: string;
  /** Its `iat`. */
  readonly issuedAtSeconds: number;
}

/** The tokens that an authorization server took back before they expired. */
export interface TokenRevocations {
  /**
   * Whether a token was taken back, itself or with all of its client's. A promise where a service has to be asked; one that is late is
   * no answer.
   *
   * @throws RevocationsUnavailable when nobody can tell
   */
  isRevoked(token: RevocableToken): boolean | Promise<boolean>;
  /** Whether there is a list to look into. */
  isReady(): boolean;
  /** When the list was last read, in milliseconds since 1970; undefined before. */
  readonly checkedAtMs?: () => number | undefined;
  /** Stops the background refresh. */
  close(): void;
}

/** The list at hand: it answers at once. */
export interface PolledRevocations extends TokenRevocations {
  isRevoked(token: RevocableToken): boolean;
}

/** Where the list comes from: `https://…/.well-known/revoked-tokens.json`; and how long it is trusted. */
export interface TokenRevocationsOptions extends PollOptions {
  /** How often it is read, in milliseconds: a revoked token is dead after that. @defaultValue 10 000 */
  readonly refreshMs?: number;
}

/** We cannot tell whether a token was revoked: there is no list, or none that is recent enough. */
export class RevocationsUnavailable extends Error {
  override readonly name = "RevocationsUnavailable";
}

/** An entry has about 65 bytes, and is listed for as long as its token lives: this is room for 16 000 at a time. */
const maxListBytes = 1024 * 1024;
/** What a `jti` may look like, in tokens and in the list: printable ASCII, as it goes into logs. */
export const tokenId: RegExp = /^[\x21-\x7e]{1,256}$/;

/**
 * Keeps the list of revoked tokens of an authorization server at hand: read in the background, served through an outage for
 * a bounded time. Until it was read once, and after that time, every token is refused as "could not check".
 *
 * @param options - where from, and the times
 * @throws TypeError when an option makes no sense
 * @example
 * ```ts
 * import { tokenRevocations } from "@zero-trust/auth/server";
 * import { httpsAgent, identityFromDirectory } from "@zero-trust/mtls";
 *
 * const agent = httpsAgent({ identity: identityFromDirectory("tls"), serverId: "spiffe://production.internal/issuer" });
 * const url = new URL("https://issuer.production.internal/.well-known/revoked-tokens.json");
 * const revocations = tokenRevocations({ url, agent });
 * ```
 */
export function tokenRevocations(options: TokenRevocationsOptions): PolledRevocations {
  const { refreshMs = 10_000 } = options;
  const document = polledDocument(options, {
    name: "the list of revoked tokens",
    refreshMs,
    maxBytes: maxListBytes,
    parse: parseRevocations,
  });
  return {
    isRevoked({ jti, client, ...token }) {
      const revoked = document.current();
      if (revoked === undefined) throw new RevocationsUnavailable("the list of revoked tokens has not been read");
      const before = revoked.clients.get(client);
      return revoked.tokens.has(jti) || (before !== undefined && wasIssuedBy(token.issuedAtSeconds, before));
    },
    isReady: () => document.current() !== undefined,
    checkedAtMs: document.checkedAtMs,
    close: () => document.close(),
  };
}

/** Whether a token was issued in a second or before; `issuedAtSeconds` may have a fraction (RFC 7519 §2), which `before` does not know of. */
export function wasIssuedBy(issuedAtSeconds: number, before: number): boolean {
  // Not "<=", which NaN would not pass.
  return !(Math.floor(issuedAtSeconds) > before);
}

/** What an authorization server has taken back. */
export interface Revocations {
  /** By `jti`. */
  readonly tokens: ReadonlySet<string>;
  /** By client: what was issued at this time or before, in seconds since 1970, is revoked. */
  readonly clients: ReadonlyMap<string, number>;
}

/**
 * Takes a list whole or not at all: a key that we do not know may revoke something that we would let in.
 *
 * @throws JsonShapeError that names the place
 */
export function parseRevocations(json: unknown): Revocations {
  const content = object(json, "the content");
  onlyKeys(content, ["tokens", "clients"], "the content");
  const tokens = new Set<string>();
  for (const [index, entry] of list(content, "tokens", "the content").entries()) {
    const where = `tokens[${index}]`;
    const item = object(entry, where);
    onlyKeys(item, ["jti", "exp"], where);
    seconds(item["exp"], `${where}.exp`);
    tokens.add(text(item, "jti", where, tokenId));
  }
  const clients = new Map<string, number>();
  for (const [index, entry] of list(content, "clients", "the content").entries()) {
    const where = `clients[${index}]`;
    const item = object(entry, where);
    onlyKeys(item, ["client_id", "before"], where);
    const client = text(item, "client_id", where, clientId);
    clients.set(client, Math.max(seconds(item["before"], `${where}.before`), clients.get(client) ?? 0));
  }
  return { tokens, clients };
}

function seconds(value: unknown, where: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new JsonShapeError(`${where} is no time in seconds since 1970`);
  }
  return value as number;
}
