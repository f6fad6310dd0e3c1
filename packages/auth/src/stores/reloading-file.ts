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
 * Reads a file now, and again whenever its bytes have changed. It is compared rather than watched: a mounted secret is
 * swapped by a symbolic link, which file watchers miss.
 *
 * @param path - the file
 * @param parse - makes something of its bytes; throws when they are no good
 * @throws FileError when the first version is no good
 */
export function reloadingFile<T>(path: string, parse: (bytes: Buffer) => T, options: ReloadOptions): ReloadingFile<T> {
  let bytes = read(path);
  let value = parseFile(path, bytes, parse);

  function reload(): void {
    try {
      const fresh = read(path);
      if (fresh.equals(bytes)) return;
      bytes = fresh;
      value = parseFile(path, fresh, parse);
    } catch (error) {
      options.onError?.(error as Error);
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

function parseFile<T>(path: string, bytes: Buffer, parse: (bytes: Buffer) => T): T {
  try {
    return parse(bytes);
  } catch (error) {
    throw new FileError(`The file ${path} is no good: ${error instanceof Error ? error.message : "unknown error"}.`);
  }
}
