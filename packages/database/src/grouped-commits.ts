import type Sqlite from "better-sqlite3";
import { type CompiledQuery, type DatabaseConnection, type QueryResult, SqliteDriver } from "kysely";

/** So that no transaction waits long for the ones after it; together they wait for the disk once. */
const MAX_IN_GROUP = 100;

/** Transactions that have ended and wait for one commit. */
interface Group {
  readonly done: PromiseWithResolvers<void>;
  size: number;
}

/** The use of the one connection by one transaction, or one query. */
interface Turn extends DatabaseConnection {
  inTransaction: boolean;
  /** Lets the next one have the connection; again, it does nothing. */
  end(): void;
}

/**
 * Commits transactions that end in the same turn of the event loop together: a commit waits for the disk, however little it writes.
 * Each is a savepoint in one transaction of SQLite. None is acknowledged before that is committed, not even one that was rolled back,
 * since it may have seen what the others had done; and where that fails, all of them have failed. One after the other, as ever: what one has
 * written the next one sees, and nobody else before the commit.
 */
export class GroupedCommits extends SqliteDriver {
  readonly #sqlite: Sqlite.Database;
  readonly #prepare: (statement: string) => Sqlite.Statement<unknown[]>;
  #connection: DatabaseConnection | undefined;
  #group: Group | undefined;
  /** Those who wait for the connection, in the order in which they came. */
  readonly #waiting: (() => void)[] = [];
  #isTaken = false;

  constructor(sqlite: Sqlite.Database) {
    const prepare = remembered(sqlite);
    super({ database: { prepare, close: () => sqlite.close() } });
    this.#sqlite = sqlite;
    this.#prepare = prepare;
  }

  override async init(...options: Parameters<SqliteDriver["init"]>): Promise<void> {
    await super.init(...options);
    this.#connection = await super.acquireConnection();
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    await this.#take();
    return this.#newTurn();
  }

  override async releaseConnection(connection?: DatabaseConnection): Promise<void> {
    (connection as Turn | undefined)?.end();
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    const turn = connection as Turn;
    // A group is in the transaction that is open: in another one it would be acknowledged and not be there.
    this.#loseGroup(new Error("The transaction was rolled back."));
    if (!this.#sqlite.inTransaction) this.#run("begin");
    this.#run("savepoint one_of_group");
    turn.inTransaction = true;
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    const turn = connection as Turn;
    this.#run("release one_of_group");
    turn.inTransaction = false;
    const group = this.#joined();
    turn.end();
    await group.done.promise;
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    const turn = connection as Turn;
    // Its commit has failed: there is nothing left of it.
    if (!turn.inTransaction) return;
    turn.inTransaction = false;
    // Where the disk is full or fails, SQLite has rolled back by itself.
    if (this.#sqlite.inTransaction) {
      this.#run("rollback to one_of_group");
      this.#run("release one_of_group");
    }
    const group = this.#group;
    if (group === undefined) {
      if (this.#sqlite.inTransaction) this.#run("rollback");
      return;
    }
    turn.end();
    await group.done.promise;
  }

  override async destroy(): Promise<void> {
    await this.#take();
    this.#commit();
    await super.destroy();
  }

  #newTurn(): Turn {
    let isOver = false;
    const turn: Turn = {
      inTransaction: false,
      executeQuery: async <R>(query: CompiledQuery): Promise<QueryResult<R>> => {
        this.#admit(turn);
        try {
          return await this.#raw.executeQuery<R>(query);
        } catch (error) {
          this.#loseGroup(error);
          throw error;
        }
      },
      streamQuery: <R>(query: CompiledQuery, chunkSize: number) => {
        this.#admit(turn);
        return this.#raw.streamQuery<R>(query, chunkSize);
      },
      end: () => {
        if (isOver) return;
        isOver = true;
        const next = this.#waiting.shift();
        if (next === undefined) this.#isTaken = false;
        else next();
      },
    };
    return turn;
  }

  get #raw(): DatabaseConnection {
    if (this.#connection === undefined) throw new Error("The database is not open.");
    return this.#connection;
  }

  /** A query of its own is no part of a transaction, and sees nothing that is not committed. */
  #admit(turn: Turn): void {
    if (!turn.inTransaction) this.#commit();
    else if (!this.#sqlite.inTransaction) throw new Error("The transaction was rolled back.");
  }

  /** Where SQLite has rolled back by itself, the others of the group are lost with the one that it was about. */
  #loseGroup(error: unknown): void {
    if (this.#sqlite.inTransaction || this.#group === undefined) return;
    this.#group.done.reject(error);
    this.#group = undefined;
  }

  /** The group that is gathered now; it is committed when all that is ready in this turn of the event loop has joined it. */
  #joined(): Group {
    if (this.#group === undefined) {
      const group: Group = { done: Promise.withResolvers(), size: 0 };
      // Those who wait for it hear of it; there may be none by then.
      group.done.promise.catch(() => undefined);
      this.#group = group;
      setImmediate(() => void this.#commitInTurn(group));
    }
    this.#group.size += 1;
    const group = this.#group;
    if (group.size >= MAX_IN_GROUP) this.#commit();
    return group;
  }

  async #commitInTurn(group: Group): Promise<void> {
    if (this.#group !== group) return;
    await this.#take();
    const turn = this.#newTurn();
    if (this.#group === group) this.#commit();
    turn.end();
  }

  #commit(): void {
    const group = this.#group;
    this.#group = undefined;
    if (group === undefined) return;
    try {
      this.#run("commit");
      group.done.resolve();
    } catch (error) {
      if (this.#sqlite.inTransaction) this.#run("rollback");
      group.done.reject(error);
    }
  }

  #run(statement: string): void {
    this.#prepare(statement).run();
  }

  async #take(): Promise<void> {
    if (this.#isTaken) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    this.#isTaken = true;
  }
}

/** More than there are in any of our programs, whose texts hold no values. */
const MAX_STATEMENTS = 500;

/** Prepares a statement once: it takes as long as to run it. */
function remembered(sqlite: Sqlite.Database): (text: string) => Sqlite.Statement<unknown[]> {
  const statements = new Map<string, Sqlite.Statement<unknown[]>>();
  return (text) => {
    const known = statements.get(text);
    if (known !== undefined) return known;
    const statement = sqlite.prepare<unknown[]>(text);
    if (statements.size >= MAX_STATEMENTS) statements.clear();
    statements.set(text, statement);
    return statement;
  };
}
