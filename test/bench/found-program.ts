import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where a program is that a case needs; Debian keeps those of a server out of a user's path. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
}
