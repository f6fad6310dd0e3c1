/** Does something so many times, some of them at once, and waits for all. */
export async function many(count: number, atATime: number, work: () => Promise<unknown>): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}
