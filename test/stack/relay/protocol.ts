/** What a relay does with its connections. */
export type RelayMode =
  /** Passes bytes on, as they are. */
  | { readonly kind: "pass" }
  /** Passes bytes on, each way this much later, in milliseconds, and a random part of `jitterMs` more. */
  | { readonly kind: "delay"; readonly ms: number; readonly jitterMs?: number }
  /** Closes every connection at once. */
  | { readonly kind: "refuse" }
  /** Accepts connections and never says a word. */
  | { readonly kind: "silence" }
  /** Passes on what clients say, and keeps the answers. */
  | { readonly kind: "mute" }
  /** Passes everything on to another service, which it takes for this one: `host:port`. */
  | { readonly kind: "mislead"; readonly target: string }
  /** Answers by itself over HTTPS, with the identity of the service or of another workload. */
  | {
      readonly kind: "answer";
      /** The workload whose certificate it shows. */
      readonly as: string;
      /** By path; what is not here is 404. */
      readonly answers: Readonly<Record<string, RelayAnswer>>;
    };

/** An answer of HTTP, good or bad. */
export interface RelayAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How the body is encoded here. Default: as text. */
  readonly encoding?: "base64";
  /** How often the body is sent. Default: once. */
  readonly times?: number;
  /** Whether the answer is never ended. */
  readonly hangs?: boolean;
}

/** What has come to a relay. */
export interface RelayState {
  /** Connections that were made to it, since it was there. */
  readonly connections: number;
  /** Bytes that came from its clients. */
  readonly bytes: number;
  /** The requests that it answered by itself, `GET /path`. */
  readonly requests: readonly string[];
}

/** A relay that is to be opened. */
export interface RelayOptions {
  readonly name: string;
  /** Where to listen, and where connections lead: `host:port`. */
  readonly host: string;
  readonly port: number;
  readonly target: string;
}

/** What is asked of the program, a line of JSON; answered with the same `id`. */
export type RelayRequest =
  | { readonly kind: "open"; readonly options: RelayOptions }
  | { readonly kind: "become"; readonly name: string; readonly mode: RelayMode }
  | { readonly kind: "state"; readonly name: string }
  | { readonly kind: "effects"; readonly files: EffectFiles }
  | { readonly kind: "alter"; readonly file: string; readonly statement: string };

/** The databases that show what has happened. */
export interface EffectFiles {
  readonly order: string;
  readonly payment: string;
  readonly acquirer: string;
}
