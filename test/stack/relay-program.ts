import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Effects } from "./relay/count-effects.ts";
import type { EffectFiles, RelayOptions, RelayRequest, RelayState } from "./relay/protocol.ts";
import type { Relay } from "./stack.ts";

/** The program of `relay/`, as a process or in a container. */
export class RelayProgram implements AsyncDisposable {
  readonly #program: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #ended: Promise<void>;
  #lastId = 0;

  constructor(program: ChildProcessByStdio<Writable, Readable, null>) {
    this.#program = program;
    createInterface({ input: program.stdout }).on("line", (line) => {
      const { id, failure, result } = JSON.parse(line) as { id: number; failure?: string; result?: unknown };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (failure === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(`The relay failed: ${failure}`));
    });
    // Writing to a program that has ended is told by its end.
    program.stdin.on("error", () => {});
    this.#ended = once(program, "close").then(() => {
      for (const { reject } of this.#waiting.values()) reject(new Error("The relay has ended."));
    });
  }

  /** Opens a relay; gives it, and the port that it listens on. */
  async open(options: RelayOptions): Promise<readonly [relay: Relay, port: number]> {
    const { name } = options;
    const port = (await this.#ask({ kind: "open", options })) as number;
    const relay: Relay = {
      become: async (mode) => void (await this.#ask({ kind: "become", name, mode })),
      state: async () => (await this.#ask({ kind: "state", name })) as RelayState,
    };
    return [relay, port];
  }

  /** Counts what has happened, where the services' files are. */
  async effects(files: EffectFiles): Promise<Effects> {
    return (await this.#ask({ kind: "effects", files })) as Effects;
  }

  /** Runs a statement in a database, behind the back of its service. */
  async alter(file: string, statement: string): Promise<void> {
    await this.#ask({ kind: "alter", file, statement });
  }

  #ask(request: RelayRequest): Promise<unknown> {
    this.#lastId += 1;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastId, answer);
    this.#program.stdin.write(`${JSON.stringify({ id: this.#lastId, ...request })}\n`);
    return answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#program.stdin.end();
    await this.#ended;
  }
}
