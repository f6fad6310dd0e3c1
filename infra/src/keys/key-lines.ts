import { readFileSync } from "node:fs";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import { columns } from "../command-line/table.ts";

/** What `list` tells of a key, a client, or a key of the issuer: all but its secret. */
export interface ListedKey {
  readonly id: string;
  readonly state: string;
  /** The scopes by audience. */
  readonly audiences: Readonly<Record<string, readonly string[]>>;
  readonly client?: string;
  /** SPIFFE IDs that alone may use it. */
  readonly workloads?: readonly string[];
  readonly authentication?: string;
  readonly createdAt?: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
  /** When the older of two secrets ends. */
  readonly overlapEndsAt?: string;
  readonly lastUsedAt?: string;
}

/** Prints keys for people, or as JSON. */
export function printKeys(args: Args, { print, note }: Surroundings, keys: readonly ListedKey[]): void {
  const used = args.text("used");
  const uses = used === undefined ? undefined : readUses(used);
  const listed = keys.map((key) => {
    const lastUsedAt = uses?.[key.id];
    return lastUsedAt === undefined ? key : { ...key, lastUsedAt };
  });
  if (args.flag("json")) print(JSON.stringify({ keys: listed }, null, 2));
  else if (listed.length === 0) note("There is none.");
  else for (const line of keyLines(listed, uses !== undefined)) print(line);
}

/** A key has as many lines as its highest cell; what has no time at all gets `-`, what has not been used, `never`. */
function keyLines(keys: readonly ListedKey[], showsUses: boolean): readonly string[] {
  const heads = ["id", "audience", "scope", "created", "expires", ...(showsUses ? ["last used"] : []), "state"];
  const rows = keys.flatMap((key) => {
    const audiences = Object.entries(key.audiences);
    const from = (key.workloads ?? []).map((id) => `  from ${id.replace(/^spiffe:\/\/[^/]+\//, "")}`);
    const cells = [
      [
        key.id,
        ...[key.client, key.authentication].filter((each) => each !== undefined).map((each) => `  ${each}`),
        ...from,
      ],
      audiences.flatMap(([audience, scopes]) => [audience.replace("https://", ""), ...scopes.slice(1).map(() => "")]),
      audiences.flatMap(([, scopes]) => (scopes.length === 0 ? ["-"] : scopes)),
      timeCell(key.createdAt, "-"),
      // A key of the issuer has no audience, and ends when it is taken out.
      audiences.length === 0 ? [] : timeCell(key.expiresAt, "-"),
      ...(showsUses ? [timeCell(key.lastUsedAt, "never")] : []),
      stateCell(key),
    ];
    const height = Math.max(...cells.map(({ length }) => length));
    return Array.from({ length: height }, (_, line) => cells.map((cell) => cell[line] ?? ""));
  });
  return withoutEmptyColumns(columns, [heads, ...rows]);
}

/** Keys of the issuer have no audience. */
function withoutEmptyColumns(
  lay: (rows: readonly (readonly string[])[]) => readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const keep = (rows[0] ?? []).map((_, column) => rows.slice(1).some((row) => row[column] !== ""));
  return lay(rows.map((row) => row.filter((_, column) => keep[column])));
}

function stateCell({ state, revokedAt, overlapEndsAt }: ListedKey): readonly string[] {
  if (revokedAt !== undefined) return [`${state} since`, ...timeCell(revokedAt, "")];
  return overlapEndsAt === undefined ? [state] : [`${state} until`, ...timeCell(overlapEndsAt, "")];
}

function timeCell(iso: string | undefined, none: string): readonly string[] {
  return iso === undefined ? [none] : [iso.slice(0, 10), `${iso.slice(11, 16)}Z`];
}

function readUses(path: string): Readonly<Record<string, string>> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? "it is not JSON" : systemReason(cause);
    throw new CommandError(`The uses in ${path} cannot be read: ${why}.`, { cause });
  }
  const uses = typeof json === "object" && json !== null && "uses" in json ? json.uses : undefined;
  if (typeof uses !== "object" || uses === null || !Object.values(uses).every((at) => typeof at === "string")) {
    throw new CommandError(`${path} is no file of uses, which looks like {"uses": {"ID": "TIME"}}.`);
  }
  return uses as Record<string, string>;
}
