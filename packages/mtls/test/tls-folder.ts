import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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
  /** All files at once, as Kubernetes does it. */
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
  return {
    path,
    write: (name, text) => writeFileSync(join(path, name), text),
    remove: (name) => rmSync(join(path, name)),
    fill: (material) => fill(path, material),
    swap: (material) => swapFolder(path, material),
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}

/** As Kubernetes does it: a new folder, then `..data` points to it, then the one before is deleted; the files are links through it. */
export function swapFolder(path: string, material: Partial<TlsMaterial>): void {
  const before = readdirSync(path).filter((name) => name.startsWith("..v"));
  const version = `..v${process.hrtime.bigint()}`;
  mkdirSync(join(path, version));
  fill(join(path, version), material);
  symlinkSync(version, join(path, "..data_tmp"));
  renameSync(join(path, "..data_tmp"), join(path, "..data"));
  for (const [, name] of FILES) {
    if (before.length === 0) {
      symlinkSync(join("..data", name), join(path, name));
    }
  }
  for (const name of before) {
    rmSync(join(path, name), { recursive: true });
  }
}

function fill(folder: string, material: Partial<TlsMaterial>): void {
  for (const [part, name] of FILES) {
    const text = material[part];
    if (text !== undefined) {
      writeFileSync(join(folder, name), text);
    }
  }
}
