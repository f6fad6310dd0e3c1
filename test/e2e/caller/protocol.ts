/** What a test asks of the caller in its container: a line of JSON each way, in no order, told apart by `id`. */
export type Request = CallRequest | TokenRequest;

/** One call of any kind, as bytes: what an attacker, or a client in another language, sends. */
export interface CallRequest {
  readonly kind: "call";
  /** The workload whose certificate to show; without, none is shown. */
  readonly as?: string;
  /** The workload to call. */
  readonly to: string;
  /** `/package.Service/Method` */
  readonly path: string;
  /** The serialized messages to send, base64. */
  readonly messages: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Asks the issuer for a token by certificate. */
export interface TokenRequest {
  readonly kind: "token";
  readonly as: string;
  readonly audience: string;
  readonly scopes: readonly string[];
}

/** What came of a call. */
export interface CallAnswer {
  /** The name of the status code. */
  readonly code: string;
  readonly reason?: string | undefined;
  readonly details?: string;
  /** The serialized messages that came back, base64. */
  readonly messages: readonly string[];
}

export interface TokenAnswer {
  readonly token: string;
}

/** The caller could not even try. */
export interface FailureAnswer {
  readonly failure: string;
}

export type Answer = CallAnswer | TokenAnswer | FailureAnswer;
