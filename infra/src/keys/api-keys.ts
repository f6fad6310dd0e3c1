import { readFileSync } from "node:fs";
import { newApiKey, parseApiKeys } from "@zero-trust/auth/issue";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError } from "../command-line/command-error.ts";
import type { Commands } from "../command-line/run-commands.ts";
import { minute } from "../command-line/table.ts";
import {
  audienceOf,
  clientOf,
  expiryOf,
  iso,
  keyLinesOf,
  options,
  overlapEnd,
  refuseEnded,
  rotated,
  scopesOf,
  spiffeId,
} from "./fields.ts";
import { handOver } from "./hand-over.ts";
import { changeEntries, entryOf, jsonFile, type KeyFile, readEntries } from "./key-file.ts";
import { printKeys } from "./key-lines.ts";
import { standing } from "./standing.ts";

/** An entry of an API key file. */
export interface ApiKeyEntry {
  readonly id: string;
  readonly client: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly workloads?: readonly string[];
  readonly createdAt?: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
  readonly secrets: readonly { readonly sha256: string; readonly createdAt?: string; readonly expiresAt?: string }[];
}

const file = { value: "FILE", says: "the API key file of a service" };
const mode = { value: "MODE", says: "live, or test for a key that a live service refuses; default live" };
const one = { min: 1, max: 1 };

/** The commands for API keys, which a service keeps as SHA-256 alone. */
export const apiKeyCommands: Commands = {
  "issue api": {
    usage: "--file FILE --client CLIENT --audience URL --scope SCOPE… [--workload SPIFFE-ID]… [--expires 90d]",
    says: "Issues an API key, and prints it once",
    options: {
      file: { ...file, says: `${file.says}; made when it is not there` },
      client: options.client,
      audience: options.audience,
      scope: options.scope,
      workload: {
        value: "SPIFFE-ID",
        many: true,
        says: "who alone may use it; anybody of the trust domain, unless given",
      },
      expires: options.expires,
      mode,
      out: options.out,
      json: options.json,
    },
    positionals: { min: 0, max: 0 },
    run: issue,
  },
  "list api": {
    usage: "--file FILE [--used FILE] [--json]",
    says: "Lists API keys, without their secrets",
    options: { file, used: options.used, json: options.json },
    positionals: { min: 0, max: 0 },
    run: async (args, surroundings) => {
      const entries = readEntries(apiKeyFileAt(args.required("file")));
      printKeys(
        args,
        surroundings,
        entries.map((entry) => listed(entry, surroundings.now())),
      );
    },
  },
  "rotate api": {
    usage: "ID --file FILE [--overlap 24h] [--mode test]",
    says: "Gives an API key a second secret; the first ends when the overlap is over",
    options: { file, overlap: options.overlap, mode, out: options.out, json: options.json },
    positionals: one,
    run: rotate,
  },
  "revoke api": {
    usage: "ID --file FILE",
    says: "Revokes an API key, with all its secrets",
    options: { file },
    positionals: one,
    run: revoke,
  },
};

export function apiKeyFileAt(path: string): KeyFile<ApiKeyEntry> {
  return {
    path,
    what: "API key file",
    mode: 0o644,
    ...jsonFile<ApiKeyEntry>("keys"),
    check: (at) => void parseApiKeys(parseJson(readFileSync(at, "utf8"))),
  };
}

async function issue(args: Args, surroundings: Surroundings): Promise<void> {
  const nowMs = surroundings.now();
  const keys = apiKeyFileAt(args.required("file"));
  const expiresAt = expiryOf(args, nowMs);
  const workloads = args.list("workload").map(spiffeId);
  const { key, id, sha256 } = newApiKey(modeOf(args));
  const entry: ApiKeyEntry = {
    id,
    client: clientOf(args.required("client")),
    audience: audienceOf(args, surroundings),
    scopes: scopesOf(args, surroundings),
    ...(workloads.length === 0 ? {} : { workloads }),
    createdAt: iso(nowMs),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    secrets: [{ sha256, createdAt: iso(nowMs) }],
  };
  const { client, audience, scopes } = entry;
  const handover = {
    secret: key.expose(),
    what: "API key",
    facts: { id, client, audience, scopes, workloads, expiresAt },
    says: keyLinesOf("API key", entry, keys.path),
  };
  await handOver(args, surroundings, handover, () =>
    changeEntries(keys, { create: true }, (entries) => [...entries, entry]),
  );
}

async function rotate(args: Args, surroundings: Surroundings): Promise<void> {
  const nowMs = surroundings.now();
  const [id = ""] = args.positionals;
  const keys = apiKeyFileAt(args.required("file"));
  const until = overlapEnd(args, nowMs);
  entryOf(readEntries(keys), id, ({ id: own }) => own, keys);
  const { key, sha256 } = newApiKey(modeOf(args), id);
  const handover = {
    secret: key.expose(),
    what: "new API key",
    facts: { id, overlapEndsAt: until },
    says: [`${id} has a second secret; the first ends at ${minute(until)}.`],
  };
  await handOver(args, surroundings, handover, () =>
    changeEntries(keys, { create: false }, (entries) => {
      const old = entryOf(entries, id, ({ id: own }) => own, keys);
      refuseEnded(id, old, nowMs);
      const secrets = rotated(id, old.secrets, { sha256, createdAt: iso(nowMs) }, { until, nowMs });
      return entries.map((each) => (each === old ? { ...old, secrets } : each));
    }),
  );
}

async function revoke(args: Args, { note, now }: Surroundings): Promise<void> {
  const [id = ""] = args.positionals;
  const keys = apiKeyFileAt(args.required("file"));
  let already: string | undefined;
  await changeEntries(keys, { create: false }, (entries) => {
    const old = entryOf(entries, id, ({ id: own }) => own, keys);
    already = old.revokedAt;
    return entries.map((each) => (each === old ? { ...old, revokedAt: old.revokedAt ?? iso(now()) } : each));
  });
  note(
    already === undefined
      ? `${id} is revoked; services refuse it within seconds.`
      : `${id} is revoked since ${minute(already)}.`,
  );
}

function listed(entry: ApiKeyEntry, nowMs: number) {
  const { audience, scopes, secrets, ...rest } = entry;
  return { ...rest, audiences: { [audience]: scopes }, ...standing(rest, secrets, nowMs) };
}

function modeOf(args: Args): "live" | "test" {
  const text = args.text("mode") ?? "live";
  if (text !== "live" && text !== "test") throw new CommandError(`--mode must be live or test; it is "${text}".`);
  return text;
}

/** Without quoting it, as a parser would. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
}
