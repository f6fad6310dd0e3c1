import { execFile } from "node:child_process";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startProcessFleet } from "../fleet/process-fleet.ts";
import { startProcesses } from "../stack/process-stack.ts";
import { unlimited } from "../stack/unlimited.ts";
import { measureConnections } from "./connections.ts";
import type { Constants } from "./constants.ts";
import { weighFiles } from "./disks.ts";
import { measureServices } from "./services.ts";
import type { StoresSaid } from "./stores.ts";
import { measureValkey } from "./valkey.ts";

/** Measures what one of each takes, one after the other. */
export async function measure(onProgress: (now: string) => void): Promise<Constants> {
  onProgress("stores in memory");
  const stores = await measureStores();
  onProgress("connections");
  const connection = await measureConnections();
  onProgress("nonces and limits in Valkey");
  const valkey = await measureValkey();
  onProgress("the services, one of each, with files");
  const { one, stored } = await measureOne();
  onProgress("the services, one of each, with PostgreSQL and Valkey");
  const fleet = await measureFleet();
  return {
    node: process.version,
    processor: cpus()[0]?.model ?? "an unknown processor",
    measuredAt: new Date().toISOString().slice(0, 10),
    memory: {
      nonceBytes: stores.nonce.bytes,
      apiKeyBytes: stores.apiKey.bytes,
      grantBytes: stores.grant.bytes,
      limitedCallerBytes: stores.limited.bytes,
      connectionBytes: connection.bytes,
    },
    microseconds: {
      handshake: connection.microseconds,
      apiKeyRead: stores.apiKey.microseconds,
      nonceOnValkey: valkey.nonceMicroseconds,
      limitOnValkey: valkey.limitMicroseconds,
    },
    services: { one, fleet },
    stored: { ...stored, nonceInValkeyBytes: valkey.nonceBytes },
  };
}

async function measureStores(): Promise<StoresSaid> {
  const program = fileURLToPath(new URL("stores-main.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=source", program]);
  return JSON.parse(stdout) as StoresSaid;
}

async function measureOne() {
  await using stack = await startProcesses({ environmentOf: () => unlimited });
  return { one: await measureServices(stack), stored: await weighFiles(stack) };
}

async function measureFleet() {
  await using stack = await startProcessFleet({ payments: 1, orders: 1 });
  return await measureServices(stack);
}
