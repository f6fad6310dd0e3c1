import { parseSpiffeId } from "@zero-trust/mtls";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError } from "../command-line/command-error.ts";
import { durationMs } from "../command-line/duration.ts";
import { didYouMean } from "../command-line/nearest.ts";
import { minute } from "../command-line/table.ts";
import { audiences } from "../names.ts";
import { declaredScopes } from "../policy/declared.ts";

/** The options that several kinds of keys have in common. */
export const options = {
  client: { value: "CLIENT", says: "whose it is" },
  audience: { value: "URL", says: "the service that it is good for, as in https://payment.production.internal" },
  scope: { value: "SCOPE", many: true, says: "what it is good for there" },
  expires: { value: "TIME", says: "when it ends, as in 90d; never, unless given" },
  overlap: { value: "TIME", says: "how long the old one stays good, default 24h" },
  out: { value: "FILE", says: "write the secret there, mode 0600, and print nothing" },
  json: { says: "for programs" },
  used: { value: "FILE", says: 'when each was last used: {"uses": {"ID": "TIME"}}' },
} as const;

/** How long old and new are both good, unless said otherwise: a day in which every caller gets the new one. */
const OVERLAP = "24h";

/** RFC 6749, section 3.3. */
const scopeGrammar = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** The scopes that are given; one that nothing asks for is noted, since it may be a slip. */
export function scopesOf(args: Args, { note }: Surroundings): readonly string[] {
  const scopes = args.list("scope");
  if (scopes.length === 0) throw new CommandError("--scope is missing: say what it shall be good for.");
  const bad = scopes.find((scope) => !scopeGrammar.test(scope));
  if (bad !== undefined)
    throw new CommandError(`"${bad}" is no scope; one looks like read:orders, and each has its own --scope.`);
  const known = Object.keys(declaredScopes());
  for (const scope of scopes.filter((each) => !known.includes(each))) {
    note(`No service here knows the scope "${scope}".${didYouMean(scope, known)}`);
  }
  return [...new Set(scopes)];
}

/** Who something is for, in the one namespace of client ids. */
export function clientOf(text: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(text)) {
    throw new CommandError(`"${text}" is no client; one looks like order-service: 1 to 63 of a-z, 0-9 and -.`);
  }
  return text;
}

/** An audience as tokens name it: an origin, compared letter by letter; one that is no service here is noted, since it may be a slip. */
export function audienceOf(args: Args, { note }: Surroundings): string {
  const audience = args.required("audience");
  if (!URL.canParse(audience) || new URL(audience).origin !== audience || !audience.startsWith("https://")) {
    throw new CommandError(`"${audience}" is no audience; one looks like https://payment.production.internal.`);
  }
  if (!Object.values<string>(audiences).includes(audience)) note(`No service here is ${audience}.`);
  return audience;
}

export function spiffeId(text: string): string {
  try {
    return parseSpiffeId(text).uri;
  } catch (cause) {
    throw new CommandError(`"${text}" is no SPIFFE ID; one looks like spiffe://production.internal/reporting.`, {
      cause,
    });
  }
}

/** When something ends that begins now; undefined when it does not end. */
export function expiryOf(args: Args, nowMs: number): string | undefined {
  const text = args.text("expires");
  return text === undefined ? undefined : iso(nowMs + durationMs("expires", text));
}

/** When the old one ends in a rotation that begins now. */
export function overlapEnd(args: Args, nowMs: number): string {
  return iso(nowMs + durationMs("overlap", args.text("overlap") ?? OVERLAP));
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** What a new key is, and where, for whoever has typed the command. */
export function keyLinesOf(
  what: string,
  key: {
    readonly id: string;
    readonly client: string;
    readonly audience: string;
    readonly scopes: readonly string[];
    readonly expiresAt?: string;
  },
  path: string,
): readonly string[] {
  const { id, client, audience, scopes, expiresAt } = key;
  const until = expiresAt === undefined ? "it is revoked" : minute(expiresAt);
  return [
    `${id} is ${client}'s ${what} for ${audience}.`,
    `It grants ${scopes.join(" ")}, is good until ${until}, and is in ${path}.`,
  ];
}

/** Whether a time is over; what has no time is never over. */
export function isOver(at: string | undefined, nowMs: number): boolean {
  return at !== undefined && Date.parse(at) <= nowMs;
}

/** The earlier of two times. */
export function earlier(one: string | undefined, other: string): string {
  return one !== undefined && Date.parse(one) < Date.parse(other) ? one : other;
}

/** Refuses to rotate what is not good any more: a new secret would not make it so. */
export function refuseEnded(
  id: string,
  { revokedAt, expiresAt }: { readonly revokedAt?: string; readonly expiresAt?: string },
  nowMs: number,
): void {
  const ended = revokedAt !== undefined ? "is revoked" : isOver(expiresAt, nowMs) ? "has expired" : undefined;
  if (ended !== undefined) throw new CommandError(`${id} ${ended}; issue a new one.`);
}

/** The two secrets or keys of a rotation: the newest that is good until the overlap ends, and one that is new. */
export function rotated<S extends { readonly expiresAt?: string }>(
  id: string,
  secrets: readonly S[],
  fresh: S,
  { until, nowMs }: { readonly until: string; readonly nowMs: number },
): readonly S[] {
  const good = secrets.filter(({ expiresAt }) => !isOver(expiresAt, nowMs));
  const [old, second] = good;
  if (second !== undefined) {
    const ends = good.map(({ expiresAt }) => expiresAt).find((each) => each !== undefined);
    const when = ends === undefined ? "" : ` before ${minute(ends)}`;
    throw new CommandError(`${id} is being rotated and has two secrets already; it gets no third${when}.`);
  }
  return old === undefined ? [fresh] : [{ ...old, expiresAt: earlier(old.expiresAt, until) }, fresh];
}
