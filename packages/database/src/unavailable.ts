import { DatabaseUnavailableError } from "./database-error.ts";

/**
 * What PostgreSQL says when it is not the statement that is wrong (appendix A of its manual): the connection (class 08), no
 * memory, disk or connection left (53), a standby (25006), in somebody's way (40), a lock or an answer that took too
 * long, a session or a server that was ended.
 */
const passing = /^(?:08...|53...|40...|25006|25P0[34]|55P03|57014|57P0.)$/u;

/** The same of SQLite: in somebody's way, no disk left, a disk that fails or is read-only, a file that cannot be opened. */
const passingInSqlite = /^SQLITE_(?:BUSY|LOCKED|FULL|IOERR|READONLY|CANTOPEN|NOMEM)(?:_|$)/u;

/** What pg says, without a code, when a connection ended while it was in use. */
const ended = /^(?:Connection terminated|Client has encountered a connection error|Client was closed)/u;

/** What Node says of a connection. */
const network: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/**
 * Says whether an error of a query means that the database could not be asked, or could not do it just now: the caller's
 * answer is UNAVAILABLE, and whether a change was made is not known.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return true;
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return passing.test(code) || passingInSqlite.test(code) || network.has(code) || ended.test(error.message);
}
