import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** What an interop program may take to end when its stdin does, in milliseconds. */
const END_MS = 10_000;

/** A program that reads and writes JSON, a value a line, and ends when its stdin does: also when we are killed. */
export interface JsonProgram extends AsyncDisposable {
  readonly send: (value: unknown) => void;
  /** Lets the program end, and waits for it. */
  readonly end: () => Promise<void>;
}

/** Starts a program; `onEnd` is told when it says no more, for those who wait for a line. */
export function startJsonProgram(
  [program, ...args]: readonly [program: string, ...args: string[]],
  { onLine, onEnd }: { readonly onLine: (value: unknown) => void; readonly onEnd: () => void },
): JsonProgram {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  // Writing to a program that has ended is told by onEnd.
  child.stdin.on("error", () => undefined);
  createInterface({ input: child.stdout })
    .on("line", (line) => onLine(JSON.parse(line)))
    .on("close", onEnd);
  async function end(): Promise<void> {
    child.stdin.end();
    const late = setTimeout(() => child.kill("SIGKILL"), END_MS);
    await ended;
    clearTimeout(late);
  }
  return {
    send: (value) => child.stdin.write(`${JSON.stringify(value)}\n`),
    end,
    [Symbol.asyncDispose]: end,
  };
}
