import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A program beside this file that runs as a process of its own, and answers when it is asked. */
export interface ChildProgram extends AsyncDisposable {
  /** The lines that it wrote, to standard output and standard error. */
  readonly lines: readonly string[];
  /** Asks it for its figures, of the time since it was asked last, or something else; rejects with its last words when it has ended. */
  ask(question?: object): Promise<unknown>;
}

/** How long a program may take to start or to answer, in milliseconds, unless it has much to do. */
const PATIENCE_MS = 20_000;

/**
 * Starts a program that says "ready", takes one message with its options, and says "started" when it has done with them;
 * from then on each message is a question.
 *
 * @throws Error with what the program wrote when it does not come up
 */
export async function startChildProgram(
  file: string,
  options: object,
  patienceMs: number = PATIENCE_MS,
): Promise<ChildProgram> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    execArgv: ["--conditions=source"],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", (line) => lines.push(line));
  }
  const ended = once(child, "exit");
  // What cannot be sent is not answered either.
  child.on("error", () => {});
  const answer = () =>
    message(child, patienceMs).catch((cause: unknown) => {
      throw new Error(`${file} does not answer; it said: ${lines.slice(-12).join("\n")}`, { cause });
    });
  try {
    await answer();
    child.send(options);
    await answer();
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return {
    lines,
    ask(question) {
      const answered = answer();
      child.send(question ?? "figures", () => {});
      return answered;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function message(child: ChildProcess, patienceMs: number): Promise<unknown> {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error("It has ended.");
  const gone = new AbortController();
  const leave = () => gone.abort(new Error("It has ended."));
  child.once("exit", leave);
  try {
    const signal = AbortSignal.any([AbortSignal.timeout(patienceMs), gone.signal]);
    const [said] = (await once(child, "message", { signal })) as [unknown];
    return said;
  } finally {
    child.off("exit", leave);
  }
}
