import type { Log } from "./log.ts";

/** Says whether something that calls depend on can be used. One that throws, or does not answer in time, says no. */
export type ReadinessCheck = () => boolean | Promise<boolean>;

/** What is asked, how often, and who is told. */
export interface ReadinessOptions {
  /** By the name that the log gives them. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  readonly log: Log;
  /** Told after every answer whether all are ready. */
  readonly onAnswer: (ready: boolean) => void;
  readonly timeoutMs: number;
  readonly everyMs: number;
}

/** The watch over what calls depend on. */
export interface Readiness {
  /** Resolves when each check has answered, or has been given up, once. */
  readonly asked: Promise<void>;
  stop(): void;
}

interface Dependency {
  readonly name: string;
  readonly check: ReadinessCheck;
  readonly first: PromiseWithResolvers<void>;
  /** Undefined until it has answered. */
  ready: boolean | undefined;
  /** A check that hangs is not asked again until it answers. */
  waiting: boolean;
}

/** Asks each check again and again, and writes one record when what it says changes. Nothing is ready until it says so. */
export function watchReadiness(options: ReadinessOptions): Readiness {
  const { checks, log, onAnswer, timeoutMs, everyMs } = options;
  const dependencies = Object.entries(checks).map(
    ([name, check]): Dependency => ({
      name,
      check,
      first: Promise.withResolvers(),
      ready: undefined,
      waiting: false,
    }),
  );
  let stopped = false;

  function learn(dependency: Dependency, reason: string | undefined): void {
    const ready = reason === undefined;
    if (stopped) return;
    if (dependency.ready !== ready) {
      const { name } = dependency;
      if (reason !== undefined) log.warn({ dependency: name, reason }, "not ready");
      else if (dependency.ready === false) log.info({ dependency: name }, "ready again");
    }
    dependency.ready = ready;
    dependency.first.resolve();
    onAnswer(dependencies.every((each) => each.ready === true));
  }

  async function ask(dependency: Dependency): Promise<void> {
    if (dependency.waiting) return;
    dependency.waiting = true;
    const late = setTimeout(() => learn(dependency, `no answer within ${timeoutMs} ms`), timeoutMs).unref();
    try {
      learn(dependency, (await dependency.check()) === true ? undefined : "it says that it is not");
    } catch (error) {
      learn(dependency, error instanceof Error ? error.message : "it failed");
    } finally {
      clearTimeout(late);
      dependency.waiting = false;
    }
  }

  function askAll(): void {
    for (const dependency of dependencies) void ask(dependency);
  }

  if (dependencies.length === 0) onAnswer(true);
  askAll();
  const timer = setInterval(askAll, everyMs).unref();
  return {
    asked: Promise.all(dependencies.map(({ first }) => first.promise)).then(() => undefined),
    stop() {
      stopped = true;
      clearInterval(timer);
      for (const { first } of dependencies) first.resolve();
    },
  };
}
