import { readdirSync, readFileSync } from "node:fs";

/** Ticks of the processor clock are of 10 ms (`getconf CLK_TCK`), on every Linux that Node runs on. */
const TICK_MICROSECONDS = 10_000;

interface ProcessStat {
  readonly pid: number;
  readonly name: string;
  readonly parent: number;
  /** Its own, and that of children that have ended. */
  readonly ticks: number;
}

/** Says how much processor time processes have had since, in microseconds: of each, and of those of its children that have ended. */
export function meter(pids: readonly number[]): () => number {
  const used = () => pids.reduce((sum, pid) => sum + (statOf(pid)?.ticks ?? 0), 0) * TICK_MICROSECONDS;
  const before = used();
  return () => used() - before;
}

/** The children of this process that run a program of one of these names, and theirs. */
export function childrenCalled(...names: readonly string[]): readonly number[] {
  const all = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => statOf(Number(entry)))
    .filter((stat) => stat !== undefined);
  const own = all.filter(({ parent, name }) => parent === process.pid && names.includes(name));
  const theirs = all.filter(({ parent }) => own.some(({ pid }) => pid === parent));
  return [...own, ...theirs].map(({ pid }) => pid);
}

/** What the system says of a process (proc(5)); undefined when there is none. */
function statOf(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name may hold anything, and ends with the last bracket.
  const [from, to] = [text.indexOf("(") + 1, text.lastIndexOf(")")];
  const fields = text.slice(to + 2).split(" ");
  const numbers = [11, 12, 13, 14].map((at) => Number(fields[at]));
  return {
    pid,
    name: text.slice(from, to),
    parent: Number(fields[1]),
    ticks: numbers.reduce((sum, each) => sum + each, 0),
  };
}
