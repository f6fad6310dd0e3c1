import { once } from "node:events";
import { watch } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { ServiceProcess } from "@zero-trust/infra/service-process";
import type { Stack } from "@zero-trust/infra/stack";
import type { History } from "./history.ts";
import type { Random } from "./seeded-random.ts";

/** Who is killed. */
export type Victim = "order" | "payment" | "issuer";

/** What became of a victim in a run. */
export interface Deaths {
  kills: number;
  /** How many of them struck before it listened again. */
  whileStarting: number;
  /** From each kill until it listened again. */
  downMs: number;
}

/** How a victim is killed. */
export interface KillerOptions {
  readonly stack: Stack;
  readonly victim: Victim;
  /** What it may do between two kills, at most: answers of order, writes of payment's acquirer, records of the issuer's log. */
  readonly work: number;
  readonly history: History;
  readonly random: Random;
  /** Called when the victim is dead, before it is started again. */
  readonly onKilled: () => void;
  /** The killing ends: the victim is left alive. */
  readonly signal: AbortSignal;
}

/** The files whose being written is a moment to kill at: right then the state is half on the disk. */
const writes: Readonly<Record<Victim, readonly string[]>> = {
  order: ["order.sqlite-wal"],
  payment: ["acquirer.sqlite-wal", "payment.sqlite-wal"],
  issuer: [],
};
/** Who gets nothing to do is killed all the same. */
const MAX_WORKING_MS = 20_000;
/** After what it waits for, at most: to strike before a commit, after it, and after the answer. */
const AFTERTHOUGHT_MS = 4;
const MAX_WAIT_MS = 5_000;
const POLL_MS = 50;
const DEAD_MS = 600;
/** A start takes about one second: some of these strike before it is over. */
const STARTING_MS = 1_200;
/** Another socket may have got the port while nobody listened. */
const MAX_STARTS = 5;

/** Kills a service with SIGKILL again and again, and starts it again, until told to end. */
export class Killer {
  readonly deaths: Deaths = { kills: 0, whileStarting: 0, downMs: 0 };
  readonly #options: KillerOptions;

  constructor(options: KillerOptions) {
    this.#options = options;
  }

  /** @throws Error when the victim does not come up again */
  async run(): Promise<void> {
    const { signal, random, work } = this.#options;
    while (!signal.aborted) {
      await this.#work(1 + random(work));
      await this.#moment();
      if (!signal.aborted) await this.strike();
    }
  }

  /** Kills it now and starts it again, perhaps after having killed it once more while it starts. */
  async strike(): Promise<void> {
    const { random } = this.#options;
    const killedMs = performance.now();
    await this.#kill();
    await setTimeout(random(DEAD_MS));
    if (random(3) === 0) {
      // It may come up just before, and then it was not while starting.
      const started = this.#victim.restart().then(
        () => true,
        () => false,
      );
      await setTimeout(random(STARTING_MS));
      await this.#kill();
      if (!(await started)) this.deaths.whileStarting += 1;
    }
    await this.#start();
    this.deaths.downMs += performance.now() - killedMs;
  }

  get #victim(): ServiceProcess {
    return this.#options.stack[this.#options.victim];
  }

  async #kill(): Promise<void> {
    await this.#victim.stop("SIGKILL");
    this.deaths.kills += 1;
    this.#options.onKilled();
  }

  async #start(): Promise<void> {
    for (let starts = 1; ; starts += 1) {
      try {
        await this.#victim.restart();
        return;
      } catch (error) {
        if (starts === MAX_STARTS || !String(error).includes("already in use")) throw error;
      }
    }
  }

  /** Lets it do something first: kills at whatever moment, but not so many that nothing is ever done in between. */
  async #work(amount: number): Promise<void> {
    const { stack, victim, history } = this.#options;
    const signal = this.#within(MAX_WORKING_MS);
    const records = stack.issuer.log.length;
    try {
      if (victim === "issuer")
        while (stack.issuer.log.length - records < amount) await setTimeout(POLL_MS, undefined, { signal });
      else
        for (let done = 0; done < amount; done += 1)
          await (victim === "order" ? history.nextAnswer(signal) : this.#written("acquirer.sqlite-wal", signal));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Any moment, or the next of those at which much could go wrong. */
  async #moment(): Promise<void> {
    const { victim, random, history } = this.#options;
    const signal = this.#within(MAX_WAIT_MS);
    const kinds = [
      async () => undefined,
      ...(victim === "order" ? [async () => await history.nextAnswer(signal)] : []),
      ...writes[victim].map((file) => async () => await this.#written(file, signal)),
    ];
    try {
      await kinds[random(kinds.length)]?.();
    } catch (error) {
      // None of them within the time is a moment, too.
      if (!signal.aborted) throw error;
    }
    if (random(2) === 0) await setTimeout(random(AFTERTHOUGHT_MS));
  }

  #within(ms: number): AbortSignal {
    return AbortSignal.any([this.#options.signal, AbortSignal.timeout(ms)]);
  }

  async #written(file: string, signal: AbortSignal): Promise<void> {
    const watcher = watch(join(this.#options.stack.deployment.folder, this.#options.victim));
    try {
      for (;;) {
        const [, name] = (await once(watcher, "change", { signal })) as [string, string | null];
        if (name === file) return;
      }
    } finally {
      watcher.close();
    }
  }
}
