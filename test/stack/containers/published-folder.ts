import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fillVolume, newVolume, removeFromVolume, type Volume } from "./filled-volume.ts";

/** A folder of this machine as a container sees it: a copy in a volume, brought up to date when it is told to. */
export interface PublishedFolder {
  /** Copies what has changed since the last time, and removes what is gone. */
  publish(): Promise<void>;
}

/** Makes a volume with the files of folders, by where they go in it. */
export async function publishFolders(
  volume: Volume,
  folders: Readonly<Record<string, string>>,
): Promise<PublishedFolder> {
  let published = filesOf(folders);
  await newVolume(volume, { files: published });
  return {
    async publish() {
      const files = filesOf(folders);
      const changed = [...files].filter(([name, { bytes }]) => published.get(name)?.bytes.equals(bytes) !== true);
      const gone = [...published.keys()].filter((name) => !files.has(name));
      if (changed.length > 0) await fillVolume(volume, { files: new Map(changed) });
      if (gone.length > 0) await removeFromVolume(volume, gone);
      published = files;
    },
  };
}

function filesOf(folders: Readonly<Record<string, string>>) {
  const files = new Map<string, { readonly bytes: Buffer; readonly mode: number }>();
  for (const [source, target] of Object.entries(folders)) {
    for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      // What is published by a link is read through it.
      const status = statSync(path, { throwIfNoEntry: false });
      if (status?.isFile() !== true) continue;
      files.set(join(target, relative(source, path)), { bytes: readFileSync(path), mode: status.mode & 0o777 });
    }
  }
  return files;
}
