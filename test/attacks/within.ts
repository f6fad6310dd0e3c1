/** By how much a deadline may be missed on a machine that does something else, in milliseconds. */
export const slackMs = 10_000;

/** Whether a promise resolves within a time. */
export function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  return Promise.race([promise.then(() => true), late]).finally(() => clearTimeout(timer));
}
