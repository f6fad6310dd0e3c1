import { startChildProgram } from "../../attacks/child-program.ts";
import { type Spread, spreadOf } from "../statistics.ts";
import { perTenfold } from "./slope.ts";
import { type SubjectName, subjects } from "./subjects/index.ts";

/** What `subject-main.ts` is told. */
export interface SubjectOptions {
  readonly name: SubjectName;
  readonly size: number;
}

/** What it is asked: to do some work, or what it holds in memory. */
export interface SubjectQuestion {
  readonly work?: string;
}

/** What it says. */
export type SubjectSaid =
  | { readonly microseconds: number }
  | {
      readonly bytes: number;
      /** How much more it holds than before the first measurement. */
      readonly bytesSince: number;
    };

/** What was measured of a subject. */
export interface SubjectFigures {
  readonly what: string;
  readonly memory: readonly { readonly size: number; readonly bytes: number; readonly bytesSince: number }[];
  readonly works: readonly WorkFigures[];
}

/** Processor time of one work, in microseconds. */
export interface WorkFigures {
  readonly what: string;
  readonly isForAll?: true;
  readonly sizes: readonly { readonly size: number; readonly microseconds: Spread }[];
  /** Of the slopes of all rounds. */
  readonly perTenfold: Spread;
}

/** Growing a million, or verifying a hundred thousand signatures, takes its time. */
const PATIENCE_MS = 600_000;

/**
 * Measures every work with each size, in rounds: each round has all of them, in an order that is drawn, so that whatever else the
 * machine does is shared by all sizes. Each size has a process of its own, whose memory is its own and whose collector has its own to do.
 */
export async function measureSubject(
  name: SubjectName,
  { rounds, isQuick }: { readonly rounds: number; readonly isQuick: boolean },
): Promise<SubjectFigures> {
  const subject = subjects[name];
  await using opened = new AsyncDisposableStack();
  const processes = [];
  for (const size of subject.sizes.filter((each) => !isQuick || each <= subject.quickSize)) {
    // One after the other: a machine may have few processors, and growing is work.
    const options: SubjectOptions = { name, size };
    const program = await startChildProgram(new URL("subject-main.ts", import.meta.url).href, options, PATIENCE_MS);
    processes.push({ size, program: opened.use(program) });
  }
  const measured = new Map<string, number[][]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const work of Object.keys(subject.works)) {
      const values: number[] = [];
      for (const at of shuffled(processes.keys())) {
        const said = (await processes[at]?.program.ask({ work } satisfies SubjectQuestion)) as SubjectSaid;
        values[at] = "microseconds" in said ? said.microseconds : Number.NaN;
      }
      measured.set(work, [...(measured.get(work) ?? []), values]);
    }
  }
  const memory = [];
  for (const { size, program } of processes) {
    const said = (await program.ask({} satisfies SubjectQuestion)) as SubjectSaid;
    if ("microseconds" in said) continue;
    memory.push({ size, bytes: said.bytes, bytesSince: said.bytesSince });
  }
  const sizes = processes.map(({ size }) => size);
  const works = Object.entries(subject.works).map(([work, { what, isForAll }]) => ({
    what,
    ...(isForAll === undefined ? {} : { isForAll }),
    ...figuresOf(sizes, measured.get(work) ?? []),
  }));
  return { what: subject.what, memory, works };
}

/** Each round is a line of its own: what all of its sizes had to bear is in none of its slope. */
function figuresOf(sizes: readonly number[], rounds: readonly (readonly number[])[]) {
  const slopes = rounds.map((values) =>
    perTenfold(sizes.map((size, at) => ({ size, value: values[at] ?? Number.NaN }))),
  );
  return {
    sizes: sizes.map((size, at) => ({
      size,
      microseconds: spreadOf(rounds.map((values) => values[at] ?? Number.NaN)),
    })),
    perTenfold: spreadOf(slopes),
  };
}

function shuffled<T>(values: Iterable<T>): readonly T[] {
  return [...values]
    .map((value) => ({ value, at: Math.random() }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ value }) => value);
}
