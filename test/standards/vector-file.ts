import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { z } from "zod";

/** A file of vectors that cannot be used; the message is for whoever copied it. */
export class VectorFileError extends Error {
  override readonly name = "VectorFileError";
}

/**
 * Reads a file of vectors.
 *
 * @returns undefined where there is none
 * @throws {VectorFileError} when it is not what it has to be
 */
export function vectorFile<T>(path: string, schema: z.ZodType<T>): T | undefined {
  const name = basename(path);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new VectorFileError(`${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new VectorFileError(`${name} is not JSON; copy it again.`);
  }
  const read = schema.safeParse(json);
  if (!read.success) {
    const [issue] = read.error.issues;
    const where = issue?.path.join(".") || "its top";
    throw new VectorFileError(`${name} is not a file of vectors that this knows: ${where}: ${issue?.message}.`);
  }
  return read.data;
}
