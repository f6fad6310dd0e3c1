import { type JsonFile, readBytes } from "./json-file.ts";

/** A file of which the last good version is kept. */
export interface ReloadedFile<T> {
  /** The last good version; the same object until there is another. */
  current(): T;
  /** Looks whether the file has changed, and takes what is in it when that is good. */
  reload(): void;
}

/** Told when a changed file is not used, and why; the version before stays in force. */
export type OnFileError = (error: Error) => void;

/**
 * Reads a file now, and again whenever its bytes have changed. They are compared rather than watched: a mounted secret is
 * swapped by a symbolic link, which file watchers miss. A version that is no good is tried again until it is.
 *
 * @throws ConfigError when the first version is no good; later it goes to `onError`, once for each thing that is wrong
 */
export function reloadedFile<T>(file: JsonFile, parse: (bytes: Buffer) => T, onError: OnFileError): ReloadedFile<T> {
  let bytes = readBytes(file);
  let value = parse(bytes);
  let complaint: string | undefined;
  return {
    current: () => value,
    reload() {
      try {
        const fresh = readBytes(file);
        if (!fresh.equals(bytes)) {
          value = parse(fresh);
          bytes = fresh;
        }
        complaint = undefined;
      } catch (error) {
        const { message } = error as Error;
        if (message !== complaint) onError(error as Error);
        complaint = message;
      }
    },
  };
}
