import { docker } from "./docker.ts";

/** The label that everything of one run carries in the engine. */
export const runLabel = "zero-trust.e2e.run";

/** What the project of infra/compose is called in one run; by that the engine finds everything of it. */
export function projectOf(runId: string): string {
  return `zero-trust-e2e-${runId}`;
}

type Kind = "container" | "network" | "volume";

/** In the order in which they can be removed. */
const listings: readonly (readonly [kind: Kind, list: readonly string[], remove: readonly string[]])[] = [
  ["container", ["ps", "--all", "--quiet"], ["rm", "--force", "--volumes"]],
  ["network", ["network", "ls", "--quiet"], ["network", "rm"]],
  ["volume", ["volume", "ls", "--quiet"], ["volume", "rm", "--force"]],
];

/**
 * Removes what a run has left in the engine.
 *
 * @returns what there was, `container 0123abc` and so on: nothing, after a run that has cleaned up
 */
export async function removeLeftovers(runId: string): Promise<readonly string[]> {
  const found: string[] = [];
  const labels = [`${runLabel}=${runId}`, `com.docker.compose.project=${projectOf(runId)}`];
  for (const [kind, list, remove] of listings) {
    const printed = await Promise.all(labels.map((label) => docker(...list, "--filter", `label=${label}`)));
    const ids = printed.flatMap((lines) => lines.split("\n")).filter((id) => id !== "");
    if (ids.length > 0) await removeAll([...remove, ...ids]);
    found.push(...ids.map((id) => `${kind} ${id}`));
  }
  return found;
}

/** What the engine is about to remove by itself cannot be removed, and is gone a moment later. */
const goes = /removal of container \w+ is already in progress/u;

async function removeAll(command: readonly string[]): Promise<void> {
  for (;;) {
    try {
      await docker(...command);
      return;
    } catch (error) {
      const said = String(error);
      if (said.includes("No such container")) return;
      if (!goes.test(said)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
