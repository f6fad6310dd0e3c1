import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const script = fileURLToPath(new URL("../../../infra/docker/base-images.sh", import.meta.url));

/**
 * The image of a program that is not ours: the public one, one that is named by a variable, or what is built here in its place.
 *
 * @throws Error where there is none
 */
export async function otherImage(kind: "postgres" | "valkey" | "prometheus"): Promise<string> {
  const { stdout } = await promisify(execFile)("bash", [script, kind]);
  return stdout.trim();
}
