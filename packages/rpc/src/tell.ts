/** Tells somebody of an error; what they throw themselves, or reject with, is ignored: the caller gets its answer anyway. */
export async function tell(listener: () => unknown): Promise<void> {
  try {
    // A listener may be an async function, whatever its type says.
    await listener();
  } catch {
    // There is nobody left to tell.
  }
}
