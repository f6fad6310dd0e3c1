import { Credential, type Rule } from "@zero-trust/auth";
import type { Workload } from "@zero-trust/infra/names";
import type { Holding, MadeCall, WireCall } from "./made-call.ts";

/** What the model knows besides the call: the policy of the method, and the grants of its service. */
export interface Surroundings {
  readonly rules: readonly Rule[];
  readonly grants: ReadonlyMap<Workload, { readonly client: string; readonly scopes: readonly string[] }>;
}

/** What may become of a call; `let in` is whatever a handler says. */
export type Prediction = readonly ("let in" | `${string} ${string}`)[];

/** Metadata beyond this is not read, by the bytes that HTTP/2 counts (RFC 9113 §6.5.2). */
const MAX_METADATA_BYTES = 16 * 1024;
/** What a call has besides its credentials: the path and so on. */
const OTHER_METADATA_BYTES = 1024;

const invalid = ["UNAUTHENTICATED CREDENTIAL_INVALID", "UNAUTHENTICATED CREDENTIAL_EXPIRED"] as const;
const keysOf: Readonly<Record<Holding["credential"], readonly string[]>> = {
  [Credential.API_KEY]: ["x-api-key"],
  [Credential.BEARER]: ["authorization"],
  [Credential.HMAC]: ["x-api-key", "x-timestamp", "x-nonce", "x-signature"],
};

/**
 * What has to become of a call, by the five steps of docs/architecture.md ("How a call is decided"), in as few words as they
 * take. A call is let in only where nothing that a credential is read from has changed. It shares no code with what it judges.
 */
export function predict(made: MadeCall, sent: WireCall, surroundings: Surroundings): Prediction {
  const bytesOf = (headers: WireCall["headers"]) =>
    headers.reduce((sum, [name, value]) => sum + name.length + value.length + 32, OTHER_METADATA_BYTES);
  const refused = bytesOf(sent.headers) > MAX_METADATA_BYTES;
  // Fields that Node drops need not count, and neither need all of what else a call has.
  const mayBeRead =
    bytesOf(sent.headers.filter(([, value]) => isField(value))) <= MAX_METADATA_BYTES + OTHER_METADATA_BYTES;
  return [
    ...(refused ? (["reset ENHANCE_YOUR_CALM"] as const) : []),
    ...(mayBeRead ? decide(made, sent, surroundings) : []),
  ];
}

function decide(made: MadeCall, sent: WireCall, { rules, grants }: Surroundings): Prediction {
  const grant = grants.get(sent.as);
  const remaining = rules.filter(
    ({ credentials, scopes }) =>
      !credentials.includes(Credential.MTLS) ||
      (grant !== undefined && scopes.every((each) => grant.scopes.includes(each))),
  );
  if (remaining.length === 0) return ["PERMISSION_DENIED PEER_NOT_GRANTED"];
  const named = new Set(remaining.flatMap(({ credentials }) => credentials));
  const good = new Map<Credential, Pick<Holding, "client" | "scopes">>();
  if (grant !== undefined) good.set(Credential.MTLS, grant);
  for (const credential of [Credential.API_KEY, Credential.BEARER] as const) {
    if (!named.has(credential) || !isShown(credential, sent)) continue;
    const holding = holdingOf(credential, made);
    if (holding === undefined || !isIntact(holding, sent)) return invalid;
    good.set(credential, holding);
  }
  if (!named.has(Credential.HMAC) || !isShown(Credential.HMAC, sent)) return [byRules(remaining, good)];
  const signing = holdingOf(Credential.HMAC, made);
  // A signature needs the message, which is not waited for where no rule could be met with it.
  if (signing === undefined) return [byRules(remaining, good), ...invalid];
  const decision = byRules(remaining, good.set(Credential.HMAC, signing));
  if (isIntact(signing, sent) && isOfMessage(made, sent)) return [decision];
  return decision === "let in" ? invalid : [decision, ...invalid];
}

/** Steps 4 and 5, where every credential that was shown is good. */
function byRules(
  rules: readonly Rule[],
  good: ReadonlyMap<Credential, Pick<Holding, "client" | "scopes">>,
): Prediction[number] {
  const complete = rules.filter(({ credentials }) => credentials.every((each) => good.has(each)));
  const clientsOf = ({ credentials }: Rule) => new Set(credentials.map((each) => good.get(each)?.client)).size;
  const agreed = complete.filter((rule) => clientsOf(rule) === 1);
  const met = agreed.some(({ credentials, scopes }) =>
    credentials.every((each) => scopes.every((scope) => good.get(each)?.scopes.includes(scope) === true)),
  );
  if (met) return "let in";
  if (agreed.length > 0) return "PERMISSION_DENIED SCOPE_MISSING";
  return complete.length > 0 ? "UNAUTHENTICATED CLIENT_MISMATCH" : "UNAUTHENTICATED CREDENTIAL_MISSING";
}

function holdingOf(credential: Credential, { holdings }: MadeCall): Holding | undefined {
  return holdings.find((each) => each.credential === credential);
}

function isShown(credential: Holding["credential"], sent: WireCall): boolean {
  return keysOf[credential].some((key) => seen(sent, key) !== undefined);
}

/** Whether a service gets to see a credential as it was made, from whom it was made for, where it was made for. */
function isIntact({ credential, service, workload, values }: Holding, sent: WireCall): boolean {
  const shown = keysOf[credential].every((key) => seen(sent, key) === values[key]);
  return shown && service === sent.service && (workload === undefined || workload === sent.as);
}

/** Whether the signature of a call is one over what is sent: this method, and this one message. */
function isOfMessage(made: MadeCall, { path, messages }: WireCall): boolean {
  const [message, ...more] = messages;
  const [signed] = made.messages;
  return (
    made.path === path && more.length === 0 && message !== undefined && Buffer.from(message).equals(signed ?? message)
  );
}

/**
 * What a server gets to see of a key. Node drops fields with control characters, or with white space at an end (RFC 9113
 * §8.2.1), keeps the first of several tokens, and joins other values; grpc-js drops what is not ASCII then.
 */
function seen({ headers }: WireCall, key: string): string | undefined {
  const values = headers
    .filter(([name, value]) => name.toLowerCase() === key && isField(value))
    .map(([, value]) => value);
  const value = key === "authorization" || values.length === 0 ? values[0] : values.join(", ");
  return value !== undefined && /^[ -~]*$/.test(value) ? value : undefined;
}

const isField = (value: string) =>
  !/^[ \t]|[ \t]$/.test(value) &&
  !Buffer.from(value, "latin1").some((byte) => (byte < 0x20 && byte !== 0x09) || byte === 0x7f);
