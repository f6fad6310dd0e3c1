import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { pack } from "tar-stream";
import { docker } from "./docker.ts";
import { runLabel } from "./leftovers.ts";

/** The user of every container: the one of the images. */
export const userId = 65_532;

/** What is in a new volume. */
export interface SeededVolumeOptions {
  readonly name: string;
  readonly runId: string;
  /** Any image that is there; nothing of it runs. */
  readonly image: string;
  /** Folders of the host and where their files go; files that only their owner may read become the container's user's. */
  readonly files?: Readonly<Record<string, string>>;
  /** Folders that the container's user may write. */
  readonly writable?: readonly string[];
}

/** Makes a volume with files and folders in it, so that a container with a read-only root never has to write them. */
export async function seededVolume({
  name,
  runId,
  image,
  files = {},
  writable = [],
}: SeededVolumeOptions): Promise<string> {
  const label = `${runLabel}=${runId}`;
  await docker("volume", "create", "--label", label, name);
  const holder = await docker("create", "--label", label, "--volume", `${name}:/volume`, image);
  const archive = pack();
  for (const folder of writable)
    archive.entry({ name: folder, type: "directory", mode: 0o700, uid: userId, gid: userId });
  for (const [source, target] of Object.entries(files)) {
    for (const path of filesBelow(source)) {
      const mode = statSync(path).mode & 0o777;
      const owner = (mode & 0o077) === 0 ? userId : 0;
      archive.entry({ name: join(target, relative(source, path)), mode, uid: owner, gid: owner }, readFileSync(path));
    }
  }
  archive.finalize();
  const copying = spawn("docker", ["cp", "-", `${holder}:/volume`], { stdio: ["pipe", "ignore", "pipe"] });
  const said: Buffer[] = [];
  copying.stderr.on("data", (text: Buffer) => said.push(text));
  archive.pipe(copying.stdin);
  const [code] = (await once(copying, "close")) as [number | null];
  if (code !== 0) throw new Error(`The volume ${name} could not be filled: ${Buffer.concat(said).toString()}`);
  await docker("rm", holder);
  return name;
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
