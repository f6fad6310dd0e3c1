import { closeSync, fstatSync, openSync, readSync, statSync, writeSync } from "node:fs";
import type { DecisionEvent } from "../decision-event.ts";

/** A file that gets one line a decision. */
export interface DecisionFile {
  /**
   * Appends a decision; goes to `onDecision`.
   *
   * @throws Error of the file system when it cannot be written: the call is not let in then
   */
  readonly write: (event: DecisionEvent) => void;
  close(): void;
}

/** How often it is looked whether the file is still the one of that name, in milliseconds. */
const rotationMs = 1_000;

/**
 * Keeps the decision log in a file: one JSON object a line, written before the call is let in; the file is made with mode
 * 0600. One that was moved away or deleted is followed by a new one within a second, so that any log rotation will do.
 *
 * It is handed to the operating system and not waited for on the disk: it survives the process, not a power cut.
 *
 * @param path - the file; it is made where there is none
 * @throws Error of the file system when it cannot be opened; Error when it is a pipe
 * @example
 * ```ts
 * import { type ProtectOptions, protect } from "@zero-trust/auth/server";
 * import { decisionFile } from "@zero-trust/auth/stores/file";
 *
 * export const logged = (options: Omit<ProtectOptions, "onDecision">) =>
 *   protect({ ...options, onDecision: decisionFile("/var/log/payment/decisions.jsonl").write });
 * ```
 */
export function decisionFile(path: string): DecisionFile {
  let descriptor = openToAppend(path);
  let lookedAtMs = performance.now();
  let isClosed = false;

  function follow(): void {
    const nowMs = performance.now();
    if (nowMs - lookedAtMs < rotationMs) return;
    if (!isAt(path, descriptor)) {
      const old = descriptor;
      descriptor = openToAppend(path);
      // Last: it may fail and be closed all the same (close(2)), and its number is somebody else's then.
      closeSync(old);
    }
    lookedAtMs = nowMs;
  }

  return {
    write(event) {
      if (isClosed) throw new Error(`The decision log ${path} is closed.`);
      follow();
      // After half a record, whoever wrote that, the next one begins on a line of its own.
      const record = Buffer.from(`${endsTorn(descriptor) ? "\n" : ""}${JSON.stringify(event)}\n`);
      for (let written = 0; written < record.length; ) written += writeSync(descriptor, record, written);
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      closeSync(descriptor);
    },
  };
}

/** Not to a pipe: a write to one that nobody reads waits for ever, and the whole process with it. */
function openToAppend(path: string): number {
  const descriptor = openSync(path, "a+", 0o600);
  if (!fstatSync(descriptor).isFIFO()) return descriptor;
  closeSync(descriptor);
  throw new Error(`The decision log ${path} is a pipe: it has to be a file.`);
}

/** Whether the last line has no end. */
function endsTorn(descriptor: number): boolean {
  const { size } = fstatSync(descriptor);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(descriptor, last, 0, 1, size - 1) === 1 && last.toString() !== "\n";
}

/** Whether this is still the file that others find under the path. */
function isAt(path: string, descriptor: number): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  const open = fstatSync(descriptor);
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}
