import { once } from "node:events";
import { createInterface } from "node:readline";
import type { ServerChild, ServerPlace } from "./server-place.ts";

/** A server that runs as long as this process. */
export class ServerProcess {
  readonly #place: ServerPlace;
  readonly #command: readonly string[];
  readonly #ready: RegExp;
  #child: ServerChild | undefined;

  /**
   * @param place - where it runs
   * @param command - the program and its arguments
   * @param ready - the line by which it says that it serves
   */
  constructor(place: ServerPlace, command: readonly string[], ready: RegExp) {
    this.#place = place;
    this.#command = command;
    this.#ready = ready;
  }

  /** Of its last start. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts it and waits until it serves; rejects with its last words. */
  async start(): Promise<void> {
    const child = this.#place.spawn(this.#command);
    this.#child = child;
    const kill = () => this.signal("SIGKILL");
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
      serving.reject(new Error(`${this.#command[0]} did not start: ${words.join("\n")}`));
    });
    await serving.promise;
  }

  /** Sends it a signal. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child !== undefined) this.#place.signal(this.#child, signal);
  }

  /** Ends it and waits until it is gone. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    this.signal("SIGCONT");
    this.signal(signal);
    await gone;
  }
}
