import { Credential } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import type { Presenter } from "../presenter.ts";
import { withAnswer } from "../with-answer.ts";
import { tokenGrammar } from "./token-request.ts";
import type { TokenSource } from "./token-source.ts";

/** What the client side of bearer tokens needs. */
export interface BearerOptions {
  /** Where tokens come from: `clientCredentials({…})`, or whatever else has some. */
  readonly tokens: TokenSource;
}

const scheme = "Bearer ";

/** What a token can be the cause of; a server that gives no reason may mean the token too. */
const reasonsOfTokens: ReadonlySet<string | undefined> = new Set([
  "CREDENTIAL_INVALID",
  "CREDENTIAL_EXPIRED",
  undefined,
]);

/**
 * Presents an OAuth 2.0 access token in `authorization` (RFC 6750 §2.1). When a server refuses it, the source is told, and
 * a unary or server-streaming call is made once more by itself where the source has another. A certificate that takes the place of
 * another is shown once the source has a token for it.
 *
 * @param options - the source of tokens
 * @example
 * ```ts
 * import { type AuthenticatedChannels, bearer, connect, type TokenSource } from "@zero-trust/auth/client";
 * import type { MutualTlsChannels } from "@zero-trust/mtls";
 *
 * export function withTokens(channels: MutualTlsChannels, tokens: TokenSource): AuthenticatedChannels {
 *   return connect({ channels, credentials: [bearer({ tokens })] });
 * }
 * ```
 */
export function bearer({ tokens }: BearerOptions): Presenter {
  let last: { readonly token: string; readonly values: { readonly authorization: string } } | undefined;
  return {
    credential: Credential.BEARER,
    metadataKeys: ["authorization"],
    present: (attempt) =>
      withAnswer<unknown, { readonly authorization: string }>(tokens.token(attempt), (token) => {
        if (last !== undefined && last.token === token) return last.values;
        // Checked here because what the transport says of an illegal header quotes it.
        if (typeof token !== "string" || !tokenGrammar.test(token)) {
          throw new TypeError("The source of tokens gave something that is none.");
        }
        last = { token, values: Object.freeze({ authorization: `${scheme}${token}` }) };
        return last.values;
      }),
    prepare: (connection) => tokens.token(connection),
    refused({ reason, presented }) {
      if (!reasonsOfTokens.has(reason)) return false;
      return tokens.refused?.(presented["authorization"]?.slice(scheme.length) ?? "") ?? false;
    },
  };
}
