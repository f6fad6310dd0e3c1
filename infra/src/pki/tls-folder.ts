import { randomBytes, X509Certificate } from "node:crypto";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import { syncFolder, writeDurably } from "../command-line/replace-file.ts";

/** The files of a workload: leaf and intermediate, its private key, the roots it trusts, a revocation list of each CA. */
export const tlsFiles = ["ca.crt", "ca.crl", "tls.key", "tls.crt"] as const;

export type TlsFiles = Readonly<Partial<Record<(typeof tlsFiles)[number], string>>>;

/** Files that are written and not yet to be seen. */
export interface Staged {
  /** Shows all of them, in one step. */
  publish(): void;
  discard(): void;
}

const CURRENT = "..data";
const VERSION = /^\.\.v-[0-9a-f]{16}$/;

/**
 * Writes files into a TLS folder as Kubernetes does: they are in a folder of their own, `..data` is a link to it, `tls.crt` a link
 * to `..data/tls.crt`. Renaming four files one by one would show a new key beside an old certificate for a moment, and for as
 * long as a crash lasts; changing one link shows the old four, then the new four. Files that are not named stay as they are;
 * plain files of that name become links first, with the same content.
 *
 * @throws {CommandError} naming the folder, which then shows what it showed before
 */
export function stageTlsFiles(folder: string, files: TlsFiles): Staged {
  try {
    mkdirSync(folder, { recursive: true });
    const shown = readTlsFiles(folder);
    const staged = writeVersion(folder, { ...shown, ...files });
    return {
      publish: () => attempt(folder, () => publish(folder, shown, staged)),
      discard: () => rmSync(join(folder, staged), { recursive: true, force: true }),
    };
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

/** What a TLS folder shows; a file that is not there is left out. */
export function readTlsFiles(folder: string): TlsFiles {
  const read = (name: string): [string, string][] => {
    try {
      return [[name, readFileSync(join(folder, name), "utf8")]];
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
      throw new CommandError(`${join(folder, name)} cannot be read: ${systemReason(cause)}.`, { cause });
    }
  };
  return Object.fromEntries(tlsFiles.flatMap(read));
}

/** The leaf in a TLS folder; undefined when there is none. */
export function leafIn(folder: string): X509Certificate | undefined {
  const pem = readTlsFiles(folder)["tls.crt"];
  if (pem === undefined) return undefined;
  try {
    return new X509Certificate(pem);
  } catch {
    throw new CommandError(`${join(folder, "tls.crt")} is not a certificate in PEM.`);
  }
}

function publish(folder: string, shown: TlsFiles, staged: string): void {
  if (lstatSync(join(folder, CURRENT), { throwIfNoEntry: false }) === undefined && Object.keys(shown).length > 0) {
    // Plain files: what they say goes behind the links first, so that no moment shows a mixture.
    link(folder, writeVersion(folder, shown), CURRENT);
  }
  for (const name of readdirSync(join(folder, staged))) {
    const target = join(CURRENT, name);
    if (linkTarget(join(folder, name)) !== target) link(folder, target, name);
  }
  link(folder, staged, CURRENT);
  syncFolder(folder);
  for (const name of readdirSync(folder)) {
    if (VERSION.test(name) && name !== staged) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function writeVersion(folder: string, files: TlsFiles): string {
  const name = `..v-${randomBytes(8).toString("hex")}`;
  const path = join(folder, name);
  mkdirSync(path);
  try {
    chmodSync(path, 0o755);
    belongsAs(folder, path);
    for (const [file, content] of Object.entries(files)) {
      const mode = file === "tls.key" ? 0o600 : 0o644;
      writeDurably(join(path, file), content, mode);
      belongsAs(folder, join(path, file));
    }
    syncFolder(path);
  } catch (error) {
    rmSync(path, { recursive: true, force: true });
    throw error;
  }
  return name;
}

/** A folder that root writes for another user stays readable for that user. */
function belongsAs(folder: string, path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  chownSync(path, uid, gid);
}

function link(folder: string, target: string, name: string): void {
  const temporary = join(folder, `..link-${randomBytes(8).toString("hex")}`);
  symlinkSync(target, temporary);
  try {
    renameSync(temporary, join(folder, name));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function linkTarget(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
}

function attempt(folder: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    throw unwritable(folder, cause);
  }
}

function unwritable(folder: string, cause: unknown): CommandError {
  if (cause instanceof CommandError) return cause;
  return new CommandError(`${folder} cannot be written: ${systemReason(cause)}.`, { cause });
}
