/**
 * Aborts at the first SIGINT, SIGTERM or SIGHUP, or when nobody reads our output any more (`demo | head`), so that what
 * was started can be stopped in its order. From then on none of these ends the process, however often they come: the
 * services are processes of their own and would outlive it.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Error("Interrupted."));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
  for (const stream of [process.stdout, process.stderr]) stream.on("error", interrupt);
  return controller.signal;
}

/** Resolves when a signal has aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
