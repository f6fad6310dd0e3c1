import { chmodSync, chownSync, existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { CommandError, systemReason, writeReason } from "../command-line/command-error.ts";
import { withLock } from "../command-line/lock.ts";
import { didYouMean } from "../command-line/nearest.ts";
import { replaceFile } from "../command-line/replace-file.ts";

/** A file of keys: how it is read, written, and looked at by whoever verifies with it. */
export interface KeyFile<Entry> {
  readonly path: string;
  /** What it is called in sentences: `API key file`. */
  readonly what: string;
  /** The mode that it is made with; one that is there keeps its own. */
  readonly mode: number;
  /** Whether nobody else may be able to read it. */
  readonly isSecret?: true;
  parse(text: string): readonly Entry[];
  serialize(entries: readonly Entry[]): string;
  /** Reads the file as the service does that it is for, and throws what that throws. */
  check(path: string): void;
}

/**
 * Reads the entries of a file.
 *
 * @throws {CommandError} when it is not there, or no service would take it
 */
export function readEntries<Entry>(file: KeyFile<Entry>): readonly Entry[] {
  const { path, what, isSecret } = file;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
    if (isSecret && (statSync(path).mode & 0o077) !== 0) {
      throw new CommandError(`The ${what} ${path} is open to others: chmod 600 it.`);
    }
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError(`The ${what} ${path} cannot be read: ${systemReason(cause)}.`, { cause });
  }
  try {
    file.check(path);
    return file.parse(text);
  } catch (cause) {
    throw complaint(`The ${what} ${path} is no good`, cause, path);
  }
}

/**
 * Changes a file, alone, and in one step: what no service would take does not take its place.
 *
 * @param options.create - begin with nothing where there is no file
 * @param change - gives the entries as they shall be; what it throws leaves the file as it is
 */
export async function changeEntries<Entry>(
  file: KeyFile<Entry>,
  options: { readonly create: boolean },
  change: (entries: readonly Entry[]) => readonly Entry[] | Promise<readonly Entry[]>,
): Promise<void> {
  const exists = existsSync(file.path);
  if (!exists && !options.create) readEntries(file);
  // A link stays one: what it leads to is changed.
  const path = exists ? realpathSync(file.path) : file.path;
  await withLock(
    `${path}.lock`,
    async () => {
      const isThere = existsSync(path);
      const before = isThere ? readEntries({ ...file, path }) : [];
      const text = file.serialize(await change(before));
      const is = isThere ? statSync(path) : undefined;
      const mode = is === undefined ? file.mode : is.mode & 0o777;
      try {
        replaceFile(path, text, mode, (temporary) => {
          // Whatever the umask of whoever has typed the command.
          chmodSync(temporary, mode);
          try {
            file.check(temporary);
          } catch (cause) {
            throw complaint(`No service would take ${file.path} with that`, cause, temporary);
          }
          // Root changes the file of whoever reads it, and it stays theirs.
          if (is !== undefined && is.uid !== process.getuid?.()) chownSync(temporary, is.uid, is.gid);
        });
      } catch (cause) {
        if (cause instanceof CommandError) throw cause;
        throw new CommandError(`The ${file.what} ${file.path} cannot be written: ${writeReason(cause)}.`, { cause });
      }
    },
    { what: file.path },
  );
}

/** The one entry with an id. */
export function entryOf<Entry>(
  entries: readonly Entry[],
  id: string,
  idOf: (entry: Entry) => string,
  file: KeyFile<Entry>,
): Entry {
  const entry = entries.find((each) => idOf(each) === id);
  if (entry === undefined) {
    const near = didYouMean(id, entries.map(idOf));
    throw new CommandError(`There is no ${id} in ${file.path}${near === "" ? "; list shows what is." : `.${near}`}`);
  }
  return entry;
}

/** JSON with entries under one name, as people can read it. */
export function jsonFile<Entry>(name: "keys" | "clients"): Pick<KeyFile<Entry>, "parse" | "serialize"> {
  return {
    // The check has been through it before.
    parse: (text) => (JSON.parse(text) as Record<string, readonly Entry[]>)[name] ?? [],
    serialize: (entries) => `${JSON.stringify({ [name]: entries }, null, 2)}\n`,
  };
}

/** What is wrong with a file. A sentence about the one that opens it, its key-encryption key, stands for itself. */
function complaint(intro: string, cause: unknown, path: string): CommandError {
  const message = cause instanceof Error ? cause.message : "";
  const isOfAnother = message.startsWith("The file ") && !message.includes(path);
  return new CommandError(isOfAnother ? message : `${intro}: ${reasonIn(cause, path)}.`, { cause });
}

/** What a parser says, without the sentence that it stands in, in which the services name the file and where to name another. */
function reasonIn(cause: unknown, path: string): string {
  const message = cause instanceof Error ? cause.message : "it cannot be read";
  const start = message.indexOf(path);
  const rest =
    start < 0
      ? message
      : message
          .slice(start + path.length)
          .replace(/^ (is no good|is not valid): /, "")
          .trim();
  return rest.replace(/; (correct it or )?name another with \w+\.$/, "").replace(/\.$/, "");
}
