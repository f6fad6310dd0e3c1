// Run in a thread: swaps the versions of a folder until it is ended.
import { parentPort, workerData } from "node:worker_threads";
import type { TlsMaterial } from "../src/tls-material.ts";
import { swapFolder } from "./tls-folder.ts";

const { path, versions } = workerData as { readonly path: string; readonly versions: readonly TlsMaterial[] };
const pause = new Int32Array(new SharedArrayBuffer(4));

parentPort?.postMessage("begun");
for (;;) {
  for (const material of versions) {
    swapFolder(path, material);
    Atomics.wait(pause, 0, 0, 1);
  }
}
