import type { TlsMaterial } from "@zero-trust/mtls";
import type { ServeOptions } from "@zero-trust/server";
import { startChildProgram } from "./child-program.ts";

/** What the attacked process is told at its start. */
export interface AttackedOptions {
  readonly tls: TlsMaterial;
  /** The entries of its grants file. */
  readonly grants: readonly {
    readonly spiffeId: string;
    readonly client: string;
    readonly scopes: readonly string[];
  }[];
  /** Those of `serve` that are not to be the defaults. */
  readonly limits?: NonNullable<ServeOptions["limits"]>;
}

/** What the attacked process says of itself, since it was asked last. */
export interface Figures {
  readonly port: number;
  readonly pid: number;
  /** Resident memory, in bytes: now, and the most that it was. */
  readonly rss: number;
  readonly peakRss: number;
  /** The longest time in which it could do nothing else, in milliseconds. */
  readonly longestStallMs: number;
  /** How many calls of Ping reached the handler, without those whose text begins with "good". */
  readonly handled: number;
  /** How many of them, and of those before, have not ended. */
  readonly running: number;
  /** Names that every object of the process inherits, enumerable: none. */
  readonly inheritedNames: readonly string[];
}

/** A record of its log. */
export type LogRecord = Readonly<Record<string, unknown>>;

/** A service under attack, in a process of its own. */
export interface AttackedService extends AsyncDisposable {
  readonly port: number;
  /** How many lines it has written. */
  readonly written: number;
  /** The records of one of its logs; of those after a number of lines. */
  records(log: "decision" | "connection", since?: number): readonly LogRecord[];
  /** Everything that it wrote, standard error too. */
  said(): string;
  /** Rejects with its last words when it has ended. */
  figures(): Promise<Figures>;
}

/** Starts the attacked service from source, and resolves when it listens. */
export async function startAttacked(options: AttackedOptions): Promise<AttackedService> {
  const child = await startChildProgram("attacked-main.ts", options);
  const figures = async () => (await child.ask()) as Figures;
  const { port } = await figures();
  return {
    port,
    get written() {
      return child.lines.length;
    },
    records: (log, since = 0) =>
      child.lines
        .slice(since)
        .filter((line) => line.includes(`"log":"${log}"`))
        .map((line) => JSON.parse(line) as LogRecord),
    said: () => child.lines.join("\n"),
    figures,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
