import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { forsake } from "../answers.ts";
import type { ApiKeyUse } from "../api-key/use-sampler.ts";
import { object, onlyKeys, time } from "../json-shape.ts";
import { FileError, parseJson, readBounded, refuseInterval } from "./reloading-file.ts";

/** How the file is written. */
export interface ApiKeyUseFileOptions {
  /** How often at most it is written, in milliseconds. @defaultValue 10 000 */
  readonly writeMs?: number;
  /** Told when it cannot be read or written, and why; what is not written yet is tried again. */
  readonly onError?: (error: Error) => void;
}

/** A record of when each API key was last good for something. */
export interface ApiKeyUseFile {
  /** Takes note of a use, and returns at once: goes into `onUsed` of `apiKey()`. */
  readonly used: (use: ApiKeyUse) => void;
  /** Writes what is not written yet. */
  close(): Promise<void>;
}

/** The newest uses that are kept. More keys than these are not what a file is for. */
const MAX_USES = 10_000;

/** The last millisecond of the year 9999, the last that ISO 8601 writes in four digits and the file is read back with. */
const lastMs = 253_402_300_799_999;

/**
 * Keeps the time of each API key's last use in a file, so that keys that nobody uses are found and revoked. It is written
 * in the background and whole: another file takes its place. What is there is merged, so that several processes may share
 * it; it is no log, and a use may be lost when two write at once. A file that is not of this form is never replaced:
 * it may be somebody else's.
 *
 * @param path - JSON: `{"uses": {"<id>": "2026-01-02T03:04:05.678Z"}}`; it is created when there is something to write
 * @throws TypeError when the time makes no sense
 */
export function apiKeyUseFile(path: string, options: ApiKeyUseFileOptions = {}): ApiKeyUseFile {
  const { writeMs = 10_000, onError } = options;
  refuseInterval(writeMs, "writeMs");
  const lastUseMs = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let complaint: string | undefined;

  async function write(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const pending = new Map(lastUseMs);
    try {
      await replace(path, merge(readUses(path), pending));
      for (const [id, atMs] of pending) if (lastUseMs.get(id) === atMs) lastUseMs.delete(id);
      complaint = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== complaint) report(error as Error);
      complaint = message;
    }
  }

  function report(error: Error): void {
    try {
      forsake(onError?.(error));
    } catch {
      // Nobody else is there to tell.
    }
  }

  function later(): void {
    timer ??= setTimeout(() => {
      writing = write().then(() => {
        if (lastUseMs.size > 0) later();
      });
    }, writeMs).unref();
  }

  return {
    used({ id, atMs }) {
      if (!(atMs >= 0 && atMs <= lastMs)) return;
      if (lastUseMs.size >= MAX_USES && !lastUseMs.has(id)) return;
      lastUseMs.set(id, Math.max(atMs, lastUseMs.get(id) ?? 0));
      later();
    },
    async close() {
      await writing;
      if (lastUseMs.size > 0) await write();
    },
  };
}

function readUses(path: string): ReadonlyMap<string, number> {
  if (!existsSync(path)) return new Map();
  const bytes = readBounded(path, false);
  try {
    const file = object(parseJson(bytes), "it");
    onlyKeys(file, ["uses"], "it");
    const uses = object(file["uses"], '"uses"');
    return new Map(Object.keys(uses).map((id) => [id, time(uses, id, '"uses"') ?? 0]));
  } catch (error) {
    throw new FileError(`The file ${path} is no record of uses, and is left alone: ${(error as Error).message}.`);
  }
}

/** The later use of each key, the newest keys first. */
function merge(known: ReadonlyMap<string, number>, fresh: ReadonlyMap<string, number>): [string, number][] {
  const merged = new Map(known);
  for (const [id, atMs] of fresh) merged.set(id, Math.max(atMs, known.get(id) ?? 0));
  return [...merged].toSorted(([, one], [, other]) => other - one).slice(0, MAX_USES);
}

async function replace(path: string, uses: readonly [string, number][]): Promise<void> {
  const content = { uses: Object.fromEntries(uses.map(([id, atMs]) => [id, new Date(atMs).toISOString()])) };
  const fresh = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(fresh, `${JSON.stringify(content)}\n`, { mode: 0o600, flag: "wx" });
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new FileError(`The file ${path} cannot be written (${code}): may its folder be written to?`);
  }
}
