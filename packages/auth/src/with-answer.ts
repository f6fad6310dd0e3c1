/**
 * An answer that is there, or one to wait for. What is asked for every call, and every second of it, makes no promise where there is nothing
 * to wait for: all of them together would cost as much as what they are asked for.
 */
export type Answer<T> = T | Promise<T>;

/** Whether there is something to wait for. */
export function isThenable<T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> {
  const isObject = (typeof answer === "object" && answer !== null) || typeof answer === "function";
  return isObject && typeof (answer as { readonly then?: unknown }).then === "function";
}

/** Goes on with an answer, at once where it is there. */
export function withAnswer<A, T>(answer: A | PromiseLike<A>, goOn: (answer: A) => Answer<T>): Answer<T> {
  return isThenable(answer) ? Promise.resolve(answer).then(goOn) : goOn(answer);
}

/** All answers, at once where all are there. */
export function allAnswers<T>(answers: readonly Answer<T>[]): Answer<readonly T[]> {
  return answers.some((answer) => isThenable(answer)) ? Promise.all(answers) : (answers as readonly T[]);
}

/** Asks; what is thrown, and what an answer rejects with, goes to `failed`. */
export function orElse<T>(ask: () => Answer<T>, failed: (error: unknown) => T): Answer<T> {
  try {
    const answer = ask();
    return isThenable(answer) ? answer.catch(failed) : answer;
  } catch (error) {
    return failed(error);
  }
}
