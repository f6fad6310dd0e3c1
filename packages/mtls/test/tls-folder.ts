import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsMaterial } from "../src/tls-material.ts";

/** A directory as workloads get it. */
export interface TlsFolder {
  readonly path: string;
  write(name: string, text: string): void;
  remove(name: string): void;
  /** All files, in place, one after the other. */
  fill(material: TlsMaterial): void;
  /** All files at once, as Kubernetes does it: a new folder, then `..data` points to it. */
  swap(material: Partial<TlsMaterial>): void;
  [Symbol.dispose](): void;
}

const FILES = [
  ["cert", "tls.crt"],
  ["key", "tls.key"],
  ["ca", "ca.crt"],
  ["crl", "ca.crl"],
] as const;

export function tlsFolder(): TlsFolder {
  const path = mkdtempSync(join(tmpdir(), "tls-"));
  let version = 0;
  const fill = (folder: string, material: Partial<TlsMaterial>) => {
    for (const [part, name] of FILES) {
      const text = material[part];
      if (text !== undefined) {
        writeFileSync(join(folder, name), text);
      }
    }
  };
  return {
    path,
    write: (name, text) => writeFileSync(join(path, name), text),
    remove: (name) => rmSync(join(path, name)),
    fill: (material) => fill(path, material),
    swap: (material) => {
      version += 1;
      mkdirSync(join(path, `..${version}`));
      fill(join(path, `..${version}`), material);
      symlinkSync(`..${version}`, join(path, "..data_tmp"));
      renameSync(join(path, "..data_tmp"), join(path, "..data"));
      for (const [, name] of FILES) {
        if (version === 1) {
          symlinkSync(join("..data", name), join(path, name));
        }
      }
      rmSync(join(path, `..${version - 1}`), { recursive: true, force: true });
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}
