import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** How large the services' images are, in bytes. */
export interface ImageFigures {
  /** What they all stand on, by its name. */
  readonly base: string;
  readonly baseBytes: number;
  /** Each with the base. */
  readonly bytes: Readonly<Record<string, number>>;
}

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Why there is nothing to weigh; undefined where a container engine answers. */
export async function noEngine(): Promise<string | undefined> {
  try {
    await run("bash", ["infra/docker/engine.sh", "status"], { cwd: root });
    return undefined;
  } catch (error) {
    return String((error as { stderr?: string }).stderr ?? error).trim();
  }
}

/** Builds the images and weighs them. */
export async function weighImages(): Promise<ImageFigures> {
  const { stdout } = await run(process.execPath, ["infra/docker/build-images.ts"], { cwd: root });
  const base = (await run("bash", ["infra/docker/base-images.sh", "runtime"], { cwd: root })).stdout.trim();
  const bytesOf = async (image: string) =>
    Number((await run("docker", ["image", "inspect", "--format", "{{.Size}}", image])).stdout);
  const images = stdout.trim().split("\n");
  return {
    base,
    baseBytes: await bytesOf(base),
    bytes: Object.fromEntries(await Promise.all(images.map(async (image) => [image, await bytesOf(image)] as const))),
  };
}
