import type { Stack, StackSettings } from "./stack.ts";

/** Makes a deployment and starts its services: in containers where `ZT_STACK` says so, as processes of this machine otherwise. */
export async function startStack(settings: StackSettings = {}): Promise<Stack> {
  if (process.env["ZT_STACK"] === "containers") {
    const { startContainers } = await import("./container-stack.ts");
    return await startContainers(settings);
  }
  const { startProcesses } = await import("./process-stack.ts");
  return await startProcesses(settings);
}
