import type { RelayMode } from "../stack/relay/protocol.ts";
import type { Relay } from "../stack/stack.ts";

/** Makes a relay do something else than to pass everything on, as long as something is done. */
export async function whileRelay<T>(relay: Relay, mode: RelayMode, run: () => Promise<T>): Promise<T> {
  await relay.become(mode);
  try {
    return await run();
  } finally {
    await relay.become({ kind: "pass" });
  }
}
