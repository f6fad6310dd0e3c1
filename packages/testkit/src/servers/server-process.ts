import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A server that runs as a child of this process. */
export class ServerProcess {
  readonly #command: readonly string[];
  readonly #ready: RegExp;
  readonly #uid: number | undefined;
  #child: ChildProcess | undefined;

  /**
   * @param command - the program and its arguments
   * @param options - `ready`: the line by which it says that it serves; `uid`: as whom, this process's user unless given
   */
  constructor(command: readonly string[], options: { readonly ready: RegExp; readonly uid?: number | undefined }) {
    this.#command = command;
    this.#ready = options.ready;
    this.#uid = options.uid;
  }

  /** Of its last start. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it and waits until it serves; rejects with its last words. */
  async start(): Promise<void> {
    const [program = "", ...args] = this.#command;
    const identity = this.#uid === undefined ? {} : { uid: this.#uid, gid: this.#uid };
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...identity });
    this.#child = child;
    const kill = () => void child.kill("SIGKILL");
    process.prependOnceListener("exit", kill);
    const serving = Promise.withResolvers<void>();
    const words: string[] = [];
    for (const input of [child.stdout, child.stderr])
      createInterface({ input }).on("line", (line) => {
        words.push(line);
        if (words.length > 20) words.shift();
        if (this.#ready.test(line)) serving.resolve();
      });
    child.once("error", serving.reject);
    child.once("close", () => {
      process.off("exit", kill);
      serving.reject(new Error(`${program} did not start: ${words.join("\n")}`));
    });
    await serving.promise;
  }

  /** Sends it a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends it and waits until it is gone. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await gone;
  }
}
