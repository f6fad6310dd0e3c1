import { closeSync, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { ConfigError, isOpenToOthers } from "@zero-trust/server";
import type { z } from "zod";

/** A JSON file that the operator provides. */
export interface JsonFile {
  readonly path: string;
  /** What it is, for the sentence: "clients file". */
  readonly what: string;
  /** The variable that names it. */
  readonly variable: string;
  /** Whether nobody but its owner may read it. */
  readonly isSecret?: boolean;
}

/** Reads a file's bytes; throws ConfigError when they cannot be had, or a secret's by others, too. */
export function readBytes(file: JsonFile): Buffer {
  const { path, what, variable } = file;
  const { bytes, stat } = read(file);
  if (file.isSecret === true && isOpenToOthers(stat))
    throw new ConfigError(`The ${what} ${path} is open to others: chmod 600 it, or name another with ${variable}.`);
  return bytes;
}

function read({ path, what, variable }: JsonFile): { readonly bytes: Buffer; readonly stat: Stats } {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "r");
    return { bytes: readFileSync(descriptor), stat: fstatSync(descriptor) };
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new ConfigError(
      `The ${what} ${path} ${missing ? "does not exist" : "cannot be read"}; name another with ${variable}.`,
      { cause: error },
    );
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Parses a JSON file's bytes; throws ConfigError that says where it is wrong and never what stands there. */
export function parseJsonFile<T>(file: JsonFile, bytes: Buffer, schema: z.ZodType<T>): T {
  const { path, what, variable } = file;
  const result = schema.safeParse(parse(file, bytes));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const place = issue === undefined || issue.path.length === 0 ? "its content" : issue.path.join(".");
  throw new ConfigError(
    `The ${what} ${path} is not valid: ${place} ${issue?.message ?? "is wrong"}; correct it or name another with ${variable}.`,
  );
}

function parse({ path, what, variable }: JsonFile, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    // The parser's message quotes the file, which may hold a key.
    throw new ConfigError(`The ${what} ${path} is not JSON; correct it or name another with ${variable}.`);
  }
}
