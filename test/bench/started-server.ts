import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { ServerCase } from "./cases.ts";
import type { Material } from "./material.ts";
import { type PinnedProcess, startPinned } from "./pinned-process.ts";
import type { Given } from "./servers/given.ts";

/** Where servers are started, and with what. */
export interface Place {
  readonly material: Material;
  /** For what the servers write. */
  readonly folder: string;
  readonly serverCore: number | undefined;
  /** Runs the packages' sources instead of what is built of them. */
  readonly fromSource?: boolean;
  /** Where the bench is whose servers and clients they are, with the packages around it; this one unless given. */
  readonly bench?: URL;
}

/** A server under test. */
export interface StartedServer extends PinnedProcess {
  readonly port: number;
}

/** Starts a server and waits until it can check calls. */
export async function startServer(
  { material, folder, serverCore, fromSource, bench }: Place,
  { name, server, asks }: Pick<ServerCase, "name" | "server" | "asks">,
): Promise<StartedServer> {
  const stdout = openSync(join(folder, `${name}.log`), "a");
  try {
    const started = await startPinned(`servers/${server}.ts`, {
      core: serverCore,
      stdout,
      fromSource,
      bench,
      preload: ["profiler.ts", "heap-accounts.ts"],
    });
    const { port } = await started.ask<{ port: number }>({ material: material.server, asks, folder } satisfies Given);
    return { ...started, port };
  } finally {
    closeSync(stdout);
  }
}
