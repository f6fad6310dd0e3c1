import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of vectors for one test; gone with it. */
export interface VectorFolder extends Disposable {
  readonly path: string;
  /** Writes a file, and gives its path. */
  write(name: string, content: unknown): string;
}

/** Makes a folder. What is no text is written as JSON. */
export function vectorFolder(): VectorFolder {
  const path = mkdtempSync(join(tmpdir(), "vectors-"));
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
      return file;
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}
