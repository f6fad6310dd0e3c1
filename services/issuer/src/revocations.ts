import { TOKEN_LIFETIME_SECONDS } from "./lifetimes.ts";

/** A verifier reads no more than this. */
export const MAX_DOCUMENT_BYTES: number = 1024 * 1024;

/** What is revoked; times are Unix seconds. */
export interface Revocations {
  readonly tokens: readonly RevokedToken[];
  /** Clients whose tokens are revoked that were issued until `before`. */
  readonly clients: readonly { readonly client: string; readonly before: number }[];
}

/** One token; whose it is, is unknown when the operator names it. */
export interface RevokedToken {
  readonly jti: string;
  readonly client: string | undefined;
  readonly exp: number;
}

/**
 * Writes the denylist that verifiers fetch. One that would be too large names, in place of tokens, the clients of most of
 * them: all that such a client got until the last of these was issued is then revoked.
 *
 * @throws Error when it is too large all the same: a part of it would be a lie
 */
export function revocationDocument(all: readonly Revocations[], maxBytes: number = MAX_DOCUMENT_BYTES): string {
  const tokens = new Map(all.flatMap((each) => each.tokens).map((token) => [token.jti, token]));
  const clients = new Map<string, number>();
  const revokeUntil = (client: string, before: number) =>
    clients.set(client, Math.max(before, clients.get(client) ?? 0));
  for (const { client, before } of all.flatMap((each) => each.clients)) revokeUntil(client, before);

  let text = written(tokens.values(), clients);
  const byClient = [...Map.groupBy(tokens.values(), ({ client }) => client)].toSorted(
    ([, a], [, b]) => b.length - a.length,
  );
  for (const [client, theirs] of byClient) {
    if (text.length <= maxBytes) return text;
    if (client === undefined) continue;
    revokeUntil(client, Math.max(...theirs.map(({ exp }) => exp)) - TOKEN_LIFETIME_SECONDS);
    for (const { jti } of theirs) tokens.delete(jti);
    text = written(tokens.values(), clients);
  }
  if (text.length > maxBytes) throw new Error(`the list of revoked tokens has more than ${maxBytes} bytes`);
  return text;
}

/** Ids are ASCII, so that it has as many bytes as characters. */
function written(tokens: Iterable<RevokedToken>, clients: ReadonlyMap<string, number>): string {
  return JSON.stringify({
    tokens: [...tokens].map(({ jti, exp }) => ({ jti, exp })),
    clients: [...clients].map(([client, before]) => ({ client_id: client, before })),
  });
}
