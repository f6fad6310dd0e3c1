import { existsSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { newSigningKey, type SigningKeyEntry } from "@zero-trust/auth/issue";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError } from "../command-line/command-error.ts";
import type { Commands } from "../command-line/run-commands.ts";
import { minute } from "../command-line/table.ts";
import {
  audienceOf,
  clientOf,
  earlier,
  expiryOf,
  isOver,
  iso,
  keyLinesOf,
  options,
  overlapEnd,
  refuseEnded,
  scopesOf,
} from "./fields.ts";
import { handOver } from "./hand-over.ts";
import { changeEntries, entryOf, readEntries } from "./key-file.ts";
import { type ListedKey, printKeys } from "./key-lines.ts";
import { makeKeyEncryptionKey, signingKeysAt } from "./signing-key-file.ts";

const file = { value: "FILE", says: "the sealed signing-key file of a service" };
const kek = { value: "FILE", says: "the key-encryption key that opens it" };
const where = "--file FILE --key-encryption-key FILE";
const one = { min: 1, max: 1 };

/** The commands for signing keys, which a service has to have whole and keeps sealed. */
export const signingKeyCommands: Commands = {
  "issue signing": {
    usage: `${where} --client CLIENT --audience URL --scope SCOPE… [--expires 90d]`,
    says: "Issues a signing key, and prints its secret once",
    options: {
      file: { ...file, says: `${file.says}; made when it is not there, and so is its key-encryption key` },
      "key-encryption-key": kek,
      client: options.client,
      audience: options.audience,
      scope: options.scope,
      expires: options.expires,
      out: options.out,
      json: options.json,
    },
    positionals: { min: 0, max: 0 },
    run: issue,
  },
  "list signing": {
    usage: `${where} [--used FILE] [--json]`,
    says: "Lists signing keys, without their secrets",
    options: { file, "key-encryption-key": kek, used: options.used, json: options.json },
    positionals: { min: 0, max: 0 },
    run: async (args, surroundings) => {
      printKeys(args, surroundings, listedKeys(readEntries(signingKeysAt(placeOf(args))), surroundings.now()));
    },
  },
  "rotate signing": {
    usage: `ID ${where} [--overlap 24h] [--expires 90d]`,
    says: "Issues the next signing key of a client; the one before ends when the overlap is over",
    options: {
      file,
      "key-encryption-key": kek,
      overlap: options.overlap,
      expires: options.expires,
      out: options.out,
      json: options.json,
    },
    positionals: one,
    run: rotate,
  },
  "revoke signing": {
    usage: `ID ${where}`,
    says: "Revokes a signing key",
    options: { file, "key-encryption-key": kek },
    positionals: one,
    run: revoke,
  },
};

async function issue(args: Args, surroundings: Surroundings): Promise<void> {
  const nowMs = surroundings.now();
  const place = placeOf(args);
  const expiresAt = expiryOf(args, nowMs);
  const entry: SigningKeyEntry = {
    ...newSigningKey(),
    client: clientOf(args.required("client")),
    audience: audienceOf(args, surroundings),
    scopes: scopesOf(args, surroundings),
    createdAt: iso(nowMs),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  const isNew = !existsSync(place.path) && !existsSync(place.keyEncryptionKeyPath);
  const made = isNew
    ? [`Its key-encryption key is ${place.keyEncryptionKeyPath}: keep it apart from ${place.path}.`]
    : [];
  await handOver(
    args,
    surroundings,
    handoverOf(entry, [...keyLinesOf("signing key", entry, place.path), ...made]),
    async () => {
      if (isNew) makeKeyEncryptionKey(place.keyEncryptionKeyPath);
      try {
        await changeEntries(signingKeysAt(place), { create: true }, (entries) => [...entries, entry]);
      } catch (error) {
        if (isNew) rmSync(place.keyEncryptionKeyPath, { force: true });
        throw error;
      }
    },
  );
}

async function rotate(args: Args, surroundings: Surroundings): Promise<void> {
  const nowMs = surroundings.now();
  const [id = ""] = args.positionals;
  const keys = signingKeysAt(placeOf(args));
  const until = overlapEnd(args, nowMs);
  const expiresAt = expiryOf(args, nowMs);
  const { client, audience, scopes } = entryOf(readEntries(keys), id, idOf, keys);
  const fresh: SigningKeyEntry = {
    ...newSigningKey(),
    client,
    audience,
    scopes,
    createdAt: iso(nowMs),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  const says = [
    ...keyLinesOf("signing key", fresh, keys.path),
    `It takes the place of ${id}, which ends at ${minute(until)}.`,
  ];
  await handOver(args, surroundings, handoverOf(fresh, says), () =>
    changeEntries(keys, { create: false }, (entries) => {
      const old = entryOf(entries, id, idOf, keys);
      refuseEnded(id, old, nowMs);
      const live = entries.filter((each) => isSameHolder(each, old) && isLive(each, nowMs));
      if (live.length > 1) {
        throw new CommandError(
          `${client} has two signing keys for ${audience} already; it gets no third before one has ended.`,
        );
      }
      const ending = { ...old, expiresAt: earlier(old.expiresAt, until) };
      return [...entries.map((each) => (each === old ? ending : each)), fresh];
    }),
  );
}

async function revoke(args: Args, { note, now }: Surroundings): Promise<void> {
  const [id = ""] = args.positionals;
  const keys = signingKeysAt(placeOf(args));
  let already: string | undefined;
  await changeEntries(keys, { create: false }, (entries) => {
    const old = entryOf(entries, id, idOf, keys);
    already = old.revokedAt;
    return entries.map((each) => (each === old ? { ...old, revokedAt: old.revokedAt ?? iso(now()) } : each));
  });
  note(
    already === undefined
      ? `${id} is revoked; services refuse it within seconds.`
      : `${id} is revoked since ${minute(already)}.`,
  );
}

function listedKeys(entries: readonly SigningKeyEntry[], nowMs: number): readonly ListedKey[] {
  return entries.map(({ secret: _, audience, scopes, ...entry }) => {
    const another = entries.some(
      (each) => each.id !== entry.id && isSameHolder(each, { ...entry, audience }) && isLive(each, nowMs),
    );
    const live = another ? "rotating" : "live";
    const state = isOver(entry.revokedAt, nowMs) ? "revoked" : isOver(entry.expiresAt, nowMs) ? "expired" : live;
    return { ...entry, audiences: { [audience]: scopes }, state };
  });
}

function handoverOf({ id, secret, client, audience, scopes, expiresAt }: SigningKeyEntry, says: readonly string[]) {
  return { secret: secret.expose(), what: "signing secret", facts: { id, client, audience, scopes, expiresAt }, says };
}

function isSameHolder(one: { client: string; audience: string }, other: { client: string; audience: string }): boolean {
  return one.client === other.client && one.audience === other.audience;
}

function isLive({ revokedAt, expiresAt }: Pick<SigningKeyEntry, "revokedAt" | "expiresAt">, nowMs: number): boolean {
  return !isOver(revokedAt, nowMs) && !isOver(expiresAt, nowMs);
}

function idOf({ id }: SigningKeyEntry): string {
  return id;
}

function placeOf(args: Args): Parameters<typeof signingKeysAt>[0] {
  const place = { path: args.required("file"), keyEncryptionKeyPath: args.required("key-encryption-key") };
  if (resolve(place.path) === resolve(place.keyEncryptionKeyPath)) {
    throw new CommandError("--file and --key-encryption-key are one file; they are two, which lie apart.");
  }
  return place;
}
