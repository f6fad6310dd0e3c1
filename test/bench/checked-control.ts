import type { ControlSaid } from "./load/orders.ts";

/** UNAUTHENTICATED, or not even a connection. */
const refusals = ["status 16", "no connection"];

/**
 * A server that lets in what it should refuse would be measured for a defence that it has not.
 *
 * @throws Error that names the case and the call
 */
export function checkControl(name: string, { wrong, right }: ControlSaid): void {
  if (right !== "let in") throw new Error(`${name}: a call that is right was not let in: ${right}`);
  for (const [what, outcome] of Object.entries(wrong)) {
    if (!refusals.includes(outcome)) throw new Error(`${name}: a call with ${what} was not refused: ${outcome}`);
  }
}
