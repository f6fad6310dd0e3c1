import { DatabaseSync } from "node:sqlite";

/** Runs a statement in a database, behind the back of the service that has it open. */
export function alterDatabase(file: string, statement: string): void {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    database.exec(statement);
  } finally {
    database.close();
  }
}
