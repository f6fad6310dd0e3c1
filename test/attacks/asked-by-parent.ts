/** What the process that started this one gave as options; see `startChildProgram`. */
export function optionsOfParent<T>(): Promise<T> {
  const told = new Promise<T>((resolve) => {
    process.once("message", (message) => resolve(message as T));
  });
  process.send?.("ready");
  // Nobody is to be left behind.
  process.on("disconnect", () => process.exit(1));
  return told;
}

/** Says that this process is at work, and answers each question of its parent from now on. */
export function answerParent(answer: (question: unknown) => object | Promise<object>): void {
  process.on("message", (question) => void Promise.resolve(answer(question)).then((said) => process.send?.(said)));
  process.send?.("started");
}
