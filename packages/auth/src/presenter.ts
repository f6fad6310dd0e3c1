import type { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";

/** One attempt at a call: a retry is another attempt, with a nonce and a token of its own. */
export interface AttemptFacts {
  /** `/package.Service/Method` */
  readonly path: string;
  /** The serialized request message, as it goes over the wire; a promise of it where the caller has not sent it yet. */
  readonly message: () => Uint8Array | Promise<Uint8Array>;
  /** Of the certificate that the connection shows, where it is known: base64url SHA-256 of its DER, `x5t#S256` (RFC 8705 §3.1). */
  readonly certificateThumbprint?: string;
}

/** Metadata keys and their values. */
type Values = Readonly<Record<string, string>>;

/** Presents one kind of credential: what `apiKey()`, `bearer()` and `hmac()` of the client side return. */
export interface Presenter {
  readonly credential: Credential;
  /** The metadata keys that it sets, which a caller may not set by hand. */
  readonly metadataKeys: readonly string[];
  /**
   * The metadata to send, or a promise of it. Throwing fails the call, and nothing is sent. An object that is frozen, and given for many
   * calls, is looked through once.
   */
  present(attempt: AttemptFacts): Values | Promise<Values>;
  /**
   * Gets what calls with a certificate that takes the place of another will need, before the first of them. Until it is there, calls show
   * the former certificate, where that is good; where it throws or rejects, it is asked again after a second.
   *
   * @param connection - the certificate that is to be shown
   */
  prepare?(connection: { readonly certificateThumbprint: string }): unknown;
  /**
   * Hears that a server did not know the caller, and mends what it can for the next attempt: a token that is fresh, a clock that
   * agrees with the server's. It is asked at most twice a call, and what it throws mends nothing.
   *
   * @returns whether another attempt would present something else
   */
  refused?(refusal: PresentedRefusal): boolean;
}

/** A call that was refused with UNAUTHENTICATED, or was ended with it while it ran. */
export interface PresentedRefusal {
  /** The name of the `Reason`; undefined where the server gave none. */
  readonly reason: string | undefined;
  /** The server's clock, Unix seconds, where it told it. */
  readonly serverTimeSeconds: number | undefined;
  /** What this presenter gave for the attempt; for the last one, where several were under way. */
  readonly presented: Readonly<Record<string, string>>;
}
