import { randomBytes } from "node:crypto";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError } from "../command-line/command-error.ts";
import { durationMs } from "../command-line/duration.ts";
import type { Commands } from "../command-line/run-commands.ts";
import { minute } from "../command-line/table.ts";
import { iso, options } from "./fields.ts";
import { changeEntries, entryOf, jsonFile, type KeyFile, readEntries } from "./key-file.ts";
import { type ListedKey, printKeys } from "./key-lines.ts";

/** A key of the issuer, with its private part. */
interface IssuerKey extends JWK {
  readonly kid: string;
  readonly createdAt?: string;
}

const file = { value: "FILE", says: "the issuer's signing-jwks.json" };
const lead = { value: "TIME", says: "how long the issuer publishes a key before it signs, default 60s as there" };

/** The commands for the keys that the issuer signs tokens with. What is in the file is published, what is not is withdrawn. */
export const issuerKeyCommands: Commands = {
  "issue issuer": {
    usage: "--file FILE",
    says: "Makes the issuer's first key",
    options: { file },
    positionals: { min: 0, max: 0 },
    run: issue,
  },
  "list issuer": {
    usage: "--file FILE [--lead 60s] [--json]",
    says: "Lists the issuer's keys, without their private parts",
    options: { file, lead, json: options.json },
    positionals: { min: 0, max: 0 },
    run: list,
  },
  "rotate issuer": {
    usage: "--file FILE [--lead 60s]",
    says: "Adds a key, which signs in a minute, and takes out those whose last token has expired",
    options: { file, lead },
    positionals: { min: 0, max: 0 },
    run: rotate,
  },
  "revoke issuer": {
    usage: "KID --file FILE",
    says: "Withdraws a key now: every token that it has signed is refused",
    options: { file },
    positionals: { min: 1, max: 1 },
    run: revoke,
  },
};

interface IssuerKeyFile extends KeyFile<IssuerKey> {
  /** How long the issuer publishes a key before it signs with it, so that every verifier has it by then. */
  readonly leadMs: number;
  /** How long a key can have good tokens after the next one has begun to sign. */
  readonly lastTokenMs: number;
}

async function issuerKeysAt(args: Args): Promise<IssuerKeyFile> {
  const { DEFAULT_KEY_LEAD_MS, signingKeysFile, TOKEN_LIFETIME_SECONDS } = await import("@zero-trust/issuer");
  const given = args.text("lead");
  const onError = (error: Error) => {
    throw error;
  };
  return {
    path: args.required("file"),
    what: "issuer's key file",
    mode: 0o600,
    isSecret: true,
    ...jsonFile<IssuerKey>("keys"),
    check: (at) => void signingKeysFile(at, { onError }),
    leadMs: given === undefined ? DEFAULT_KEY_LEAD_MS : durationMs("lead", given),
    // Twice a token's life: an issuer that was restarted has counted the lead anew, and clocks differ.
    lastTokenMs: 2 * TOKEN_LIFETIME_SECONDS * 1_000,
  };
}

async function issue(args: Args, { now, note }: Surroundings): Promise<void> {
  const keys = await issuerKeysAt(args);
  const key = await newKey(now());
  await changeEntries(keys, { create: true }, (entries) => {
    if (entries.length > 0) throw new CommandError(`${keys.path} has a key already; rotate adds the next one.`);
    return [key];
  });
  note(`${key.kid} signs the issuer's tokens; its private part is in ${keys.path} alone.`);
}

async function rotate(args: Args, { now, note }: Surroundings): Promise<void> {
  const nowMs = now();
  const keys = await issuerKeysAt(args);
  const key = await newKey(nowMs);
  let over: readonly IssuerKey[] = [];
  await changeEntries(keys, { create: false }, (entries) => {
    over = entries.filter((each) => hasNoGoodToken(each, entries, keys, nowMs));
    return [...entries.filter((each) => !over.includes(each)), key];
  });
  for (const { kid } of over) note(`${kid} is taken out; its last token has expired.`);
  note(`${key.kid} is published, and signs from ${minute(iso(nowMs + keys.leadMs))} on, when every verifier has it.`);
}

async function revoke(args: Args, { note }: Surroundings): Promise<void> {
  const [kid = ""] = args.positionals;
  const keys = await issuerKeysAt(args);
  await changeEntries(keys, { create: false }, (entries) => {
    const old = entryOf(entries, kid, (each) => each.kid, keys);
    if (entries.length === 1) throw new CommandError(`${kid} is the only key; rotate first, and revoke it then.`);
    return entries.filter((each) => each !== old);
  });
  note(`${kid} is withdrawn; services refuse its tokens within 30 seconds, and clients ask for new ones.`);
}

async function list(args: Args, surroundings: Surroundings): Promise<void> {
  const nowMs = surroundings.now();
  const keys = await issuerKeysAt(args);
  const entries = readEntries(keys);
  const byAge = entries.toSorted((a, b) => createdMs(a) - createdMs(b));
  const signing = byAge.findLast((each) => createdMs(each) + keys.leadMs <= nowMs) ?? byAge[0];
  const stateOf = (key: IssuerKey): string => {
    if (key === signing) return "signs";
    if (hasNoGoodToken(key, entries, keys, nowMs)) return "over";
    return signing !== undefined && createdMs(key) > createdMs(signing) ? "next" : "verifies";
  };
  const listed = entries.map((key): ListedKey => {
    const { kid, createdAt } = key;
    return { id: kid, ...(createdAt === undefined ? {} : { createdAt }), audiences: {}, state: stateOf(key) };
  });
  printKeys(args, surroundings, listed);
}

/** Whether a newer key has been signing for longer than a token lives. */
function hasNoGoodToken(
  key: IssuerKey,
  keys: readonly IssuerKey[],
  { leadMs, lastTokenMs }: IssuerKeyFile,
  nowMs: number,
): boolean {
  return keys.some((each) => createdMs(each) > createdMs(key) && createdMs(each) + leadMs + lastTokenMs <= nowMs);
}

function createdMs({ createdAt }: IssuerKey): number {
  return createdAt === undefined ? 0 : Date.parse(createdAt);
}

async function newKey(nowMs: number): Promise<IssuerKey> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: randomBytes(8).toString("hex"), alg: "ES256", use: "sig", createdAt: iso(nowMs) };
}
