import { Credential } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import type { Presenter } from "../presenter.ts";
import type { TokenSource } from "./token-source.ts";

/** What the client side of bearer tokens needs. */
export interface BearerOptions {
  /** Where tokens come from: `clientCredentials({…})`, or whatever else has some. */
  readonly tokens: TokenSource;
}

/** RFC 6750 §2.1. Checked here because what the transport says of an illegal header quotes it. */
const tokenGrammar = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * Presents an OAuth 2.0 access token in `authorization` (RFC 6750 §2.1).
 *
 * @param options - the source of tokens
 */
export function bearer({ tokens }: BearerOptions): Presenter {
  return {
    credential: Credential.BEARER,
    metadataKeys: ["authorization"],
    async present(attempt) {
      const token = await tokens.token(attempt);
      if (!tokenGrammar.test(token)) throw new TypeError("The source of tokens gave something that is none.");
      return { authorization: `Bearer ${token}` };
    },
  };
}
