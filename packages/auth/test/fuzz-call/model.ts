import { Credential } from "../../src/index.ts";
import type { RawCall } from "../raw-call.ts";

/** What the model knows of a call. */
export interface Facts {
  /** What the method takes, each by itself. */
  readonly rules: readonly Credential[];
  /** Whether the peer has a grant. */
  readonly granted: boolean;
  /** A call whose credentials are good. */
  readonly made: RawCall;
  /** What became of it, and is sent. */
  readonly sent: RawCall;
  /** Whether the messages that are sent are of the method's type. */
  readonly decodes: boolean;
}

/**
 * What has to become of a call, in as few words as the contract has for it: OK only where nothing that a credential is read
 * from has changed. It shares no code with what it judges.
 */
export function rightOutcomes(facts: Facts): readonly string[] {
  const named = new Set(facts.rules.filter((credential) => credential !== Credential.MTLS || facts.granted));
  if (named.size === 0) return ["PERMISSION_DENIED PEER_NOT_GRANTED"];
  const good = shown(named, facts);
  if (good.includes(false)) return ["UNAUTHENTICATED CREDENTIAL_INVALID", "UNAUTHENTICATED CREDENTIAL_EXPIRED"];
  if (good.length === 0) return ["UNAUTHENTICATED CREDENTIAL_MISSING"];
  return [facts.decodes ? "OK" : "INTERNAL"];
}

/** Of the credentials that the method takes, those that are shown: whether each is good. */
function shown(named: ReadonlySet<Credential>, { made, sent }: Facts): boolean[] {
  const { MTLS, API_KEY, BEARER, HMAC } = Credential;
  const isThere = (key: string) => seen(sent, key) !== undefined;
  const isIntact = (key: string) => isThere(key) && seen(sent, key) === seen(made, key);
  const key = seen(sent, "x-api-key");
  const parts = ["x-timestamp", "x-nonce", "x-signature"];
  const sameBytes = Buffer.concat([...sent.messages]).equals(Buffer.concat([...made.messages]));
  // API keys and signatures share a key, so where a method takes both, the value says which of them it is of.
  const isApiKey = key !== undefined && named.has(API_KEY) && (!named.has(HMAC) || key.startsWith("sk-"));
  const isKeyId = key !== undefined && named.has(HMAC) && (!named.has(API_KEY) || !key.startsWith("sk-"));
  return [
    ...(named.has(MTLS) ? [true] : []),
    ...(isApiKey ? [key.startsWith("sk-") && isIntact("x-api-key")] : []),
    ...(named.has(BEARER) && isThere("authorization") ? [isIntact("authorization")] : []),
    ...(isKeyId || (named.has(HMAC) && parts.some(isThere))
      ? [["x-api-key", ...parts].every(isIntact) && sameBytes]
      : []),
  ];
}

/**
 * What a server gets to see of a key. Node drops fields with control characters, or with white space at an end (RFC 9113
 * §8.2.1), keeps the first of several tokens, and joins other values; grpc-js drops what is not ASCII then.
 */
function seen({ headers }: RawCall, key: string): string | undefined {
  const fields = headers.filter(([name, value]) => name.toLowerCase() === key && isField(value));
  const values = fields.map(([, value]) => value);
  const value = key === "authorization" || values.length === 0 ? values[0] : values.join(", ");
  return value !== undefined && /^[ -~]*$/.test(value) ? value : undefined;
}

const isField = (value: string) =>
  !/^[ \t]|[ \t]$/.test(value) &&
  !Buffer.from(value, "latin1").some((byte) => (byte < 0x20 && byte !== 0x09) || byte === 0x7f);
