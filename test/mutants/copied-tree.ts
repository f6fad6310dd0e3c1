import { cp, mkdir, readdir, symlink } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";

/** Made by builds and runs; what is left out of a copy. */
const MADE = new Set(["dist", ".vitest", ".vite", ".vite-temp", ".vitest-cache", ".turbo", ".cache"]);

/**
 * Copies the sources of the repository. The links of pnpm are relative: those between our packages stay within the copy, so that
 * a package sees its siblings as they are there, and those to other packages lead to what is installed here.
 */
export async function copyTree(from: string, to: string): Promise<void> {
  const modules = join(from, "node_modules");
  const wanted = (source: string): boolean => {
    const [top = ""] = relative(from, source).split(sep);
    return source !== modules && !top.startsWith(".") && !MADE.has(basename(source));
  };
  await cp(from, to, { recursive: true, verbatimSymlinks: true, filter: wanted });
  await mkdir(join(to, "node_modules"));
  for (const name of await readdir(modules)) {
    if (!MADE.has(name)) await symlink(join(modules, name), join(to, "node_modules", name));
  }
}
