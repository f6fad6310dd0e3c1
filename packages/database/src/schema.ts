import type { Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { DatabaseError, sentence } from "./database-error.ts";

/** Every migration there is, by name; run in the order of the names. */
export type Migrations = Readonly<Record<string, Migration>>;

/**
 * Brings a schema up to date, alone: whoever else wants to at the same time waits, and finds it done.
 *
 * @throws DatabaseError with the sentence for the operator
 */
export async function migrate<Schema>(db: Kysely<Schema>, name: string, migrations: Migrations): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  throw new DatabaseError(`The schema of the database ${name} could not be brought up to date: ${sentence(error)}.`, {
    cause: error,
  });
}

/** Refuses a schema that another program made, or a version of this one that is newer. */
export function refuseStrangeSchema(
  name: string,
  found: { readonly tables: readonly string[]; readonly applied: readonly string[] },
  migrations: Migrations,
): void {
  if (found.tables.length === 0) return;
  if (!found.tables.includes("kysely_migration"))
    throw new DatabaseError(`The database ${name} was not made by this program: name another one.`);
  const unknown = found.applied.find((applied) => !Object.hasOwn(migrations, applied));
  if (unknown === undefined) return;
  throw new DatabaseError(
    `The database ${name} has the schema "${unknown}", which this version does not know: start the version that wrote it, or a newer one.`,
  );
}
