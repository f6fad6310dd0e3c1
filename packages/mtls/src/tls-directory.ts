import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { TlsIdentityError, type TlsMaterial, type TlsMaterialNames } from "./tls-material.ts";

/** What a look at a directory showed. */
export interface TlsDirectoryLook {
  /** The folder that the files were in, with every link followed. */
  readonly folder: string;
  /** The same for the same bytes, or the same failure. */
  readonly digest: string;
  readonly texts: TlsMaterial | TlsIdentityError;
  /** Whether the folder stayed where it was: otherwise the look says nothing. */
  readonly isSteady: boolean;
}

const FILES = { cert: "tls.crt", key: "tls.key", ca: "ca.crt", crl: "ca.crl" } as const;
/** What Kubernetes swaps to change all files of a mounted secret at once; the files are links through it. */
const KUBERNETES_VERSION = "..data";
/** A folder that is swapped so often under our reading is not a TLS directory. */
const TRIES = 10;

/** What the files of a directory are called in an error: by the path that its owner knows. */
export function tlsDirectoryNames(directory: string): TlsMaterialNames {
  return {
    cert: join(directory, FILES.cert),
    key: join(directory, FILES.key),
    ca: join(directory, FILES.ca),
    crl: join(directory, FILES.crl),
  };
}

/** Reads `tls.crt`, `tls.key`, `ca.crt` and, if there is one, `ca.crl`: all from one version of the directory. */
export function lookAtTlsDirectory(directory: string): TlsDirectoryLook {
  // Links are followed once and for all files: one that is swapped in between would mix two versions.
  const folder = folderOf(directory);
  const texts = readAll(folder, tlsDirectoryNames(directory));
  // The version before may be deleted while it is read.
  return { folder, texts, digest: digestOf(texts), isSteady: folder === folderOf(directory) };
}

/** Looks until a look is steady, within reason. */
export function firstLookAtTlsDirectory(directory: string): TlsDirectoryLook {
  for (let tries = 1; ; tries += 1) {
    const look = lookAtTlsDirectory(directory);
    if (look.isSteady || tries === TRIES) {
      return look;
    }
  }
}

function folderOf(directory: string): string {
  for (const path of [join(directory, KUBERNETES_VERSION), directory]) {
    try {
      return realpathSync(path);
    } catch {
      // The first is there under Kubernetes only; that the second is missing is said of the file that is looked for in it.
    }
  }
  return directory;
}

function readAll(folder: string, names: TlsMaterialNames): TlsMaterial | TlsIdentityError {
  try {
    const text = (part: keyof typeof FILES) => read(join(folder, FILES[part]), names[part]);
    return { cert: text("cert"), key: text("key"), ca: text("ca"), crl: optional(() => text("crl")) };
  } catch (error) {
    if (error instanceof TlsIdentityError) {
      return error;
    }
    throw error;
  }
}

function read(path: string, name: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const why = isMissing(cause)
      ? "does not exist; a TLS directory holds tls.crt, tls.key and ca.crt"
      : "cannot be read; check that this user may read the file";
    throw new TlsIdentityError(`${name} ${why}.`, { cause });
  }
}

function optional(readIt: () => string): string | undefined {
  try {
    return readIt();
  } catch (error) {
    if (error instanceof TlsIdentityError && isMissing(error.cause)) {
      return undefined;
    }
    throw error;
  }
}

function isMissing(cause: unknown): boolean {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR";
}

function digestOf(texts: TlsMaterial | TlsIdentityError): string {
  const content =
    texts instanceof TlsIdentityError ? texts.message : [texts.cert, texts.key, texts.ca, texts.crl ?? null];
  return createHash("sha256").update(JSON.stringify(content)).digest("base64");
}
