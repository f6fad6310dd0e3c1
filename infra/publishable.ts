/**
 * Packs every package as `pnpm publish` would and reads the tarballs as a stranger: what is in them, what their
 * manifests promise (publint), and whether TypeScript finds the types of what Node finds (attw). Needs a build.
 */
import { execFile, execFileSync } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "zero-trust-pack-"));

/** One tarball's faults, empty when there are none. */
async function faults(directory: string): Promise<string> {
  try {
    await execute("pnpm", ["pack", "--pack-destination", folder], { cwd: directory });
    const { name, version } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Record<
      string,
      string
    >;
    const tarball = join(folder, `${name?.replace("@", "").replace("/", "-")}-${version}.tgz`);
    const files = execFileSync("tar", ["-tzf", tarball], { encoding: "utf8" }).split("\n");
    const strays = files.filter((file) => /\.test\.|^package\/(src|test|examples)\/|tsbuildinfo/.test(file));
    if (strays.length > 0) return `${directory}: must not be published: ${strays.join(", ")}`;
    const manifest = execFileSync("tar", ["-xzOf", tarball, "package/package.json"], { encoding: "utf8" });
    if (/"source":|"(workspace|catalog):/.test(manifest))
      return `${directory}: a name of the workspace is left in package.json`;
    await execute("publint", ["run", "--strict", "--pack", "false", tarball]);
    await execute("attw", ["--profile", "esm-only", "--format", "ascii", tarball]);
    return "";
  } catch (error) {
    const { message, stdout = "", stderr = "" } = error as Error & { stdout?: string; stderr?: string };
    return `${directory}: ${message}\n${stdout}${stderr}`;
  }
}

try {
  const found: string[] = [];
  const waiting = globSync("packages/*");
  // Two at a time: each is a process of its own that keeps a core busy.
  await Promise.all(
    [1, 2].map(async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) found.push(await faults(next));
    }),
  );
  const sentences = found.filter((fault) => fault !== "");
  for (const sentence of sentences) console.error(sentence);
  process.exitCode = sentences.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
