import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Pack, pack } from "tar-stream";
import { docker } from "./docker.ts";
import { runLabel } from "./leftovers.ts";

/** The user of every container: the one of the images. */
export const userId = 65_532;

/** What goes into a volume. */
export interface VolumeContent {
  /** By where they go; files that only their owner may read become the container's user's. */
  readonly files?: ReadonlyMap<string, { readonly bytes: Buffer; readonly mode: number }>;
  /** Folders that the container's user may write. */
  readonly writable?: readonly string[];
}

/** A volume of the engine, and what is needed to write into it. */
export interface Volume {
  readonly name: string;
  readonly runId: string;
  /** Any image that is there; nothing of it runs. */
  readonly image: string;
}

/** Makes a volume with files and folders in it, so that a container with a read-only root never has to write them. */
export async function newVolume(volume: Volume, content: VolumeContent): Promise<void> {
  await docker("volume", "create", "--label", `${runLabel}=${volume.runId}`, volume.name);
  await fillVolume(volume, content);
}

/** Makes an empty one in memory that takes so many bytes and no more, and lasts as long as some container has it. */
export async function newMemoryVolume({ name, runId }: Volume, bytes: number): Promise<void> {
  const mount = ["type=tmpfs", "device=tmpfs", `o=size=${bytes},uid=${userId},gid=${userId},mode=700`];
  const options = mount.flatMap((option) => ["--opt", option]);
  await docker("volume", "create", "--label", `${runLabel}=${runId}`, ...options, name);
}

/** Writes files and folders into a volume, also while containers use it. */
export async function fillVolume({ name, runId, image }: Volume, content: VolumeContent): Promise<void> {
  const holder = await docker("create", "--label", `${runLabel}=${runId}`, "--volume", `${name}:/volume`, image);
  const archive = pack();
  addTo(archive, content);
  archive.finalize();
  const copying = spawn("docker", ["cp", "-", `${holder}:/volume`], { stdio: ["pipe", "ignore", "pipe"] });
  const said: Buffer[] = [];
  copying.stderr.on("data", (text: Buffer) => said.push(text));
  archive.pipe(copying.stdin);
  const [code] = (await once(copying, "close")) as [number | null];
  if (code !== 0) throw new Error(`The volume ${name} could not be filled: ${Buffer.concat(said).toString()}`);
  await docker("rm", holder);
}

/** Removes files from a volume. */
export async function removeFromVolume({ name, runId, image }: Volume, files: readonly string[]): Promise<void> {
  const remove = `for (const file of ${JSON.stringify(files)}) require("node:fs").rmSync("/volume/" + file)`;
  const options = ["--rm", "--label", `${runLabel}=${runId}`, "--network", "none", "--user", "0:0"];
  await docker("run", ...options, "--volume", `${name}:/volume`, "--entrypoint", "node", image, "--eval", remove);
}

function addTo(archive: Pack, { files = new Map(), writable = [] }: VolumeContent): void {
  for (const folder of writable)
    archive.entry({ name: folder, type: "directory", mode: 0o700, uid: userId, gid: userId });
  for (const [name, { bytes, mode }] of files) {
    const owner = (mode & 0o077) === 0 ? userId : 0;
    archive.entry({ name, mode, uid: owner, gid: owner }, bytes);
  }
}
