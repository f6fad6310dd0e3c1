import { createHash } from "node:crypto";
import { join } from "node:path";
import type { DatabaseLocation } from "@zero-trust/database";
import { createDatabase, locationOn } from "@zero-trust/database/test/databases";
import type { PostgresServer } from "@zero-trust/testkit/servers";

let server: PostgresServer | undefined;
const made = new Set<string>();

/** Has what comes keep its state on a PostgreSQL server, and not in a file. */
export function usePostgres(running: PostgresServer): void {
  server = running;
}

/** Whether the state is in a file, which a test may take away. */
export function isFile(): boolean {
  return server === undefined;
}

/** Where the issuer of a folder keeps its state: the same for the same folder. */
export async function databaseOf(folder: string): Promise<DatabaseLocation> {
  if (server === undefined) return { file: join(folder, "issuer.db") };
  const name = `issuer_${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`;
  if (made.has(name)) return locationOn(server, name);
  made.add(name);
  return await createDatabase(server, name);
}
