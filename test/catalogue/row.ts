/** What a caller that should not be let in gets to see, or what becomes of a fault: one of a row's, and no other. */
export type Expected =
  /** Refused in the TLS handshake: the caller sees UNAVAILABLE, and the connection log has it. */
  | "T"
  /** A status and, where the refusal is ours, its reason: `UNAUTHENTICATED CREDENTIAL_INVALID`. */
  | `${StatusName} ${ReasonName}`
  | StatusName
  /** Served, as if nothing had been. */
  | "served"
  /** The connection, or the call on it, is ended by the server in time. */
  | "closed"
  /** The process lives, its memory is bounded, and other callers are served. */
  | "survives"
  /** What was sent has no effect: nobody sees it, and the call is decided without it. */
  | "ignored"
  /** Our client does not talk to such a server: nothing is sent. */
  | "refused by the client"
  /** The issuer gives no token. */
  | "refused by the issuer"
  /** The service does not start, and says why. */
  | "does not start"
  /** What was looked for is nowhere. */
  | "none found";

type StatusName =
  | "OK"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "UNAUTHENTICATED";

type ReasonName =
  | "PEER_INVALID"
  | "CREDENTIAL_MISSING"
  | "CREDENTIAL_INVALID"
  | "CREDENTIAL_EXPIRED"
  | "CREDENTIAL_REPLAYED"
  | "CLIENT_MISMATCH"
  | "PEER_NOT_GRANTED"
  | "SCOPE_MISSING"
  | "CHECK_UNAVAILABLE"
  | "RATE_LIMITED";

/** One attack or fault, and what has to become of it. */
export interface Row {
  /** Stands in the names of its tests. */
  readonly id: string;
  /** In words, for the report. */
  readonly attack: string;
  /** All that its tests expect; each of them is seen by one of them at least. */
  readonly expected: readonly Expected[];
  /** What is expected besides where it can be shown: in containers, whose clocks can be moved. */
  readonly alsoInContainers?: readonly Expected[];
  /** The files that shut the door, from the top of the repository. */
  readonly defences: readonly string[];
  /** The mutants of `test/mutants` that open the door and turn a test with this id red; or why no edit can. */
  readonly mutants: readonly string[] | { readonly none: string };
  /** Where it can be shown, if not as processes on one machine too. */
  readonly only?: "containers";
}

/** The rows of one method, or of one kind of fault. */
export interface Group {
  /** The letter that its ids begin with. */
  readonly id: string;
  readonly title: string;
  readonly rows: readonly Row[];
}
