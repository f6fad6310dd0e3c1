import { readFileSync } from "node:fs";

/** A file that is read again when it changes, of which the last good version is kept. */
export interface ReloadingFile<T> {
  current(): T;
  /** Stops watching. */
  close(): void;
}

/** How a file is watched. */
export interface ReloadOptions {
  /** How often it is looked at, in milliseconds; a change is effective after that. @defaultValue 5 000 */
  readonly reloadMs?: number;
  /** Told when a changed file is not used, and why; the version before stays in force. */
  readonly onError?: (error: Error) => void;
}

/** A file that cannot be used; the message is a sentence that names it. */
export class FileError extends Error {
  override readonly name = "FileError";
}

/**
 * Reads files now, and again whenever their bytes have changed. They are compared rather than watched: a mounted secret
 * is swapped by a symbolic link, which file watchers miss. A version that is no good is tried again until it is, since
 * what belongs together (a file and its mode, or its key) is not always changed at once.
 *
 * @param paths - the file, and others that it is read with
 * @param parse - makes something of their bytes, in that order; throws when they are no good
 * @throws FileError when the first version is no good
 */
export function reloadingFile<T>(
  paths: readonly [string, ...string[]],
  parse: (...contents: Buffer[]) => T,
  options: ReloadOptions,
): ReloadingFile<T> {
  let contents = paths.map(read);
  let value = parseFile(paths[0], contents, parse);
  let complaint: string | undefined;

  function reload(): void {
    try {
      const fresh = paths.map(read);
      if (fresh.some((bytes, index) => !bytes.equals(contents[index] ?? Buffer.alloc(0)))) {
        value = parseFile(paths[0], fresh, parse);
        contents = fresh;
      }
      complaint = undefined;
    } catch (error) {
      const { message } = error as Error;
      // Once for each thing that is wrong, not every few seconds.
      if (message !== complaint) options.onError?.(error as Error);
      complaint = message;
    }
  }

  const timer = setInterval(reload, options.reloadMs ?? 5_000).unref();
  return { current: () => value, close: () => clearInterval(timer) };
}

/** Parses JSON without ever quoting it: the file may hold secrets. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8")) as unknown;
  } catch {
    throw new Error("it is not JSON");
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
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
