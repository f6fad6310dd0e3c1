import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
/** A service's log may be long. */
const maxBuffer = 64 * 1024 * 1024;

/**
 * Runs the engine's own client, for what testcontainers has no way to do.
 *
 * @param args - its arguments, each by itself
 * @returns what it printed
 * @throws Error with what it said
 */
export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run("docker", args, { maxBuffer });
  return stdout.trimEnd();
}

/** The same, with what it printed to standard error behind that. */
export async function dockerPrints(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run("docker", args, { maxBuffer });
  return `${stdout}${stderr}`.trimEnd();
}
