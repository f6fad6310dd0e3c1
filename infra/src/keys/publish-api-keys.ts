import { readFileSync } from "node:fs";
import { type PublishedApiKeys, publishApiKeys } from "@zero-trust/auth/stores/postgres";
import { clientTlsOptions, identityFromDirectory, parseSpiffeId } from "@zero-trust/mtls";
import { postgresUrl } from "@zero-trust/server";
import { Client } from "pg";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import type { Commands } from "../command-line/run-commands.ts";
import { apiKeyFileAt } from "./api-keys.ts";
import { readEntries } from "./key-file.ts";

/** A database that does not answer is better said than waited for. */
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;

const example = "postgres://payment@postgres.production.internal:5432/payment";

/** The command that brings API keys to the services of a fleet. */
export const publishCommands: Commands = {
  "publish api": {
    usage: "--file FILE --database URL --password-file FILE --tls DIR [--table api_keys] [--json]",
    says: "Makes the table of a service say what a file says; keys that are not in the file are revoked",
    options: {
      file: { value: "FILE", says: "the API key file, which stays the place where keys are issued and revoked" },
      database: { value: "URL", says: `the service's database, as in ${example}` },
      "password-file": { value: "FILE", says: "the password of that user" },
      tls: { value: "DIR", says: "tls.crt, tls.key and ca.crt, to be known to the database and to know it" },
      table: { value: "NAME", says: "the table, default api_keys" },
      json: { says: "for programs" },
    },
    positionals: { min: 0, max: 0 },
    run: publish,
  },
};

async function publish(args: Args, { print, note, now }: Surroundings): Promise<void> {
  const file = { keys: readEntries(apiKeyFileAt(args.required("file"))) };
  const table = args.text("table") ?? "api_keys";
  const url = args.required("database");
  const client = await connect(args, url);
  let published: PublishedApiKeys;
  try {
    published = await publishApiKeys({ pool: client, file, table, nowMs: now() });
  } catch (cause) {
    if (cause instanceof TypeError) throw new CommandError(`"${table}" is no table: ${cause.message}`, { cause });
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "42P01";
    throw new CommandError(
      isMissing
        ? `There is no table ${table} in ${url}: a service makes it when it starts with ZT_API_KEYS_TABLE=${table}.`
        : `The table ${table} in ${url} cannot be written: ${reasonOf(cause)}.`,
      { cause },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
  const { added, changed, revoked } = published;
  if (args.flag("json")) print(JSON.stringify(published));
  note(
    `${table} says what the file says: ${added.length} added, ${changed.length} changed, ${revoked.length} revoked.`,
  );
  if (revoked.length > 0) note(`Revoked, since the file has them no more: ${revoked.join(" ")}.`);
}

async function connect(args: Args, url: string): Promise<Client> {
  const place = postgresUrl.safeParse(url);
  // Not said again: there may be a password in it.
  if (!place.success) throw new CommandError(`--database must be like ${example}, without a password.`);
  const identity = readIdentity(args.required("tls"));
  try {
    const { trustDomain } = parseSpiffeId(identity.spiffeId);
    const client = new Client({
      ...place.data,
      password: readPassword(args.required("password-file")),
      ssl: clientTlsOptions({ identity, serverId: `spiffe://${trustDomain}/postgres` }),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
    });
    // It is said by the statement that was running.
    client.on("error", () => undefined);
    await client.connect();
    return client;
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError(`The database ${url} cannot be reached: ${reasonOf(cause)}.`, { cause });
  } finally {
    identity.close();
  }
}

function readIdentity(directory: string): ReturnType<typeof identityFromDirectory> {
  try {
    return identityFromDirectory(directory);
  } catch (cause) {
    throw new CommandError(reasonOf(cause), { cause });
  }
}

function readPassword(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/u, "");
  } catch (cause) {
    throw new CommandError(`The password file ${path} cannot be read: ${systemReason(cause)}.`, { cause });
  }
}

/** What the database or the connection says, in its words and without a full stop. */
function reasonOf(cause: unknown): string {
  const message = cause instanceof Error && cause.message !== "" ? cause.message : systemReason(cause);
  return message.replace(/\.$/u, "");
}
