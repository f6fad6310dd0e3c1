/** What stops a command of `pnpm zt`: one sentence for whoever typed it, with the way out. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Why the system refused, in a few words: its own message names a path twice and a call nobody made. */
export function systemReason(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const known: Readonly<Record<string, string>> = {
    EACCES: "this user may not",
    EPERM: "this user may not",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
    ENOENT: "it does not exist",
    ENOTDIR: "a part of its path is not a folder",
    EISDIR: "it is a folder",
    EEXIST: "a file is in the way",
    EPIPE: "nobody reads it any more",
  };
  return known[code] ?? (code === "" ? "of an unknown reason" : `the system says ${code}`);
}

/** The same for a file that was to be made: what does not exist then is its folder. */
export function writeReason(cause: unknown): string {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
  return isMissing ? "its folder does not exist" : systemReason(cause);
}
