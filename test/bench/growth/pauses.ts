import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** How long the steps take in which a store grows from nothing, one by one, in milliseconds: in them no call is served. */
export interface PauseFigures {
  readonly what: string;
  /** How many steps there were. */
  readonly size: number;
  readonly medianMs: number;
  /** All but one in ten thousand take no longer. */
  readonly almostAllMs: number;
  readonly longestMs: number;
}

/** Has stores grow, each several times, and looks for the steps that are slow every time. */
export async function measurePauses({ isQuick }: { readonly isQuick: boolean }): Promise<readonly PauseFigures[]> {
  const program = fileURLToPath(new URL("pauses-main.ts", import.meta.url));
  const args = ["--conditions=source", program, ...(isQuick ? ["--quick"] : [])];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as readonly PauseFigures[];
}
