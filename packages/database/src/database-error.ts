/** A database that cannot be used; the message is the sentence for the operator, and has no secret in it. */
export class DatabaseError extends Error {
  override readonly name: string = "DatabaseError";
}

/** A database that cannot be used just now, and may be in a moment. */
export class DatabaseUnavailableError extends DatabaseError {
  override readonly name = "DatabaseUnavailableError";
}

/** What an error says of itself; of several connections that failed together, what the first one says. */
export function sentence(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return sentence(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
