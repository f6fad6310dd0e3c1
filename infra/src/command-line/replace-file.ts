import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Writes a file that is there whole after this, or not at all, through a crash of the machine too. */
export function writeDurably(path: string, content: string, mode: number): void {
  const file = openSync(path, "wx", mode);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Puts a file in the place of another, in one step: whoever reads it sees the old one or the new one.
 *
 * @param check - looks at the new file before it takes its place, and throws where it must not
 */
export function replaceFile(path: string, content: string, mode: number, check?: (temporary: string) => void): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    writeDurably(temporary, content, mode);
    check?.(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** Makes the names in a folder survive a crash of the machine. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
