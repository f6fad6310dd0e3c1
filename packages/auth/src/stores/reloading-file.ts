import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { forsake } from "../answers.ts";
import { JsonShapeError } from "../json-shape.ts";
import { isOpenToOthers } from "./open-to-others.ts";

/** A file that is read again when it changes, of which the last good version is kept. */
export interface ReloadingFile<T> {
  /** What it holds now; it may be passed on by itself. */
  readonly current: () => T;
  /** When what is current was last seen to be what the file holds, in milliseconds since 1970: long ago, a change is not used. */
  readonly checkedAtMs: () => number;
  /** Stops watching. */
  close(): void;
}

/** How a file is watched. */
export interface ReloadOptions {
  /** How often it is looked at, in milliseconds; a change is effective after that. @defaultValue 5 000 */
  readonly reloadMs?: number;
  /** Told when a changed file is not used, and why; the version before stays in force. @defaultValue a warning of the process */
  readonly onError?: (error: Error) => void;
}

/** What a file has to be besides well-formed. */
export interface FileRules extends ReloadOptions {
  /** Whether nobody but its owner may have access to it: mode 0600, or 0640 where the owner is root. */
  readonly isSecret?: boolean;
}

/** A file that cannot be used; the message is a sentence that names it. */
export class FileError extends Error {
  override readonly name = "FileError";
}

/** More than any file of keys or grants holds (some 25 000 keys), and little enough to be read between two calls. */
export const MAX_FILE_BYTES: number = 10 * 1024 * 1024;

/**
 * Reads files now, and again whenever their bytes have changed. They are compared rather than watched or asked for their
 * times: a mounted secret is swapped by a symbolic link, which file watchers miss, and two versions may have one size and
 * one time. A version that is no good is tried again until it is, since what belongs together (a file and its mode, or its
 * key) is not always changed at once.
 *
 * @param paths - the file, and others that it is read with
 * @param parse - makes something of their bytes, in that order; throws when they are no good
 * @throws FileError when the first version is no good; TypeError when the time makes no sense
 */
export function reloadingFile<T>(
  paths: readonly [string, ...string[]],
  parse: (...contents: Buffer[]) => T,
  options: FileRules,
): ReloadingFile<T> {
  const { isSecret = false, reloadMs = 5_000 } = options;
  const onError: (error: Error) => unknown = options.onError ?? warn;
  refuseInterval(reloadMs, "reloadMs");
  const readAll = () => paths.map((path) => readBounded(path, isSecret));
  let contents = readAll();
  let value = parseFile(paths[0], contents, parse);
  let checkedAtMs = Date.now();
  let complaint: string | undefined;

  function reload(): void {
    try {
      const fresh = readAll();
      if (fresh.some((bytes, index) => !bytes.equals(contents[index] ?? Buffer.alloc(0)))) {
        value = parseFile(paths[0], fresh, parse);
        contents = fresh;
      }
      checkedAtMs = Date.now();
      complaint = undefined;
    } catch (error) {
      const { message } = error as Error;
      // Once for each thing that is wrong, not every few seconds.
      if (message !== complaint) report(error as Error);
      complaint = message;
    }
  }

  /** A listener that fails must not end the process, which serves with the version before. */
  function report(error: Error): void {
    try {
      forsake(onError(error));
    } catch {
      // Nobody else is there to tell.
    }
  }

  const timer = setInterval(reload, reloadMs).unref();
  return { current: () => value, checkedAtMs: () => checkedAtMs, close: () => clearInterval(timer) };
}

/**
 * A timer takes what is none of its times for a millisecond, and would keep the process busy.
 *
 * @throws TypeError that names the option
 */
export function refuseInterval(ms: number, name: string): void {
  if (!(ms >= 1 && ms < 2 ** 31)) throw new TypeError(`${name} is milliseconds, 1 or more and less than 2^31.`);
}

/** Not in silence: whoever revoked a key in the file believes that it is revoked. */
function warn({ message }: Error): void {
  process.emitWarning(message, { code: "ZERO_TRUST_FILE_NOT_USED" });
}

/** Parses JSON without ever quoting it: the file may hold secrets. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8")) as unknown;
  } catch {
    throw new JsonShapeError("it is not JSON");
  }
}

/**
 * Reads a file through one descriptor, so that what is checked is what is read. A pipe is not waited for.
 *
 * @throws FileError when it cannot be read, is too large, or is open to others and must not be
 */
export function readBounded(path: string, isSecret: boolean): Buffer {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(file);
      if (!stat.isFile()) throw new FileError(`The file ${path} is not a file: is the path right?`);
      if (isSecret && isOpenToOthers(stat)) throw new FileError(`The file ${path} is open to others: chmod 600 it.`);
      if (stat.size > MAX_FILE_BYTES) {
        throw new FileError(`The file ${path} is larger than ${MAX_FILE_BYTES} bytes: is the path right?`);
      }
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof FileError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw new FileError(`The file ${path} cannot be read (${code ?? "unknown error"}): is the path right?`);
  }
}

function parseFile<T>(path: string, contents: Buffer[], parse: (...contents: Buffer[]) => T): T {
  try {
    return parse(...contents);
  } catch (error) {
    throw new FileError(`The file ${path} is no good: ${error instanceof Error ? error.message : "unknown error"}.`);
  }
}
