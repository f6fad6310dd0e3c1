import { rmSync } from "node:fs";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError, writeReason } from "../command-line/command-error.ts";
import { writeDurably } from "../command-line/replace-file.ts";

/** A new secret, on its way to whom it is for. */
export interface Handover {
  /** The secret itself, in one line. */
  readonly secret: string;
  /** What the secret is called: `API key`. */
  readonly what: string;
  /** What JSON has besides. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** What was done, for people. */
  readonly says: readonly string[];
}

/**
 * Hands over a secret, once: to a file, as JSON, or alone on standard output. The file is written before the secret is
 * registered, so that none is good that nobody has.
 *
 * @param register - makes the secret good
 */
export async function handOver(
  args: Args,
  { print, note }: Surroundings,
  handover: Handover,
  register: () => Promise<void>,
): Promise<void> {
  const { secret, what, facts, says } = handover;
  const out = args.text("out");
  if (out !== undefined && args.flag("json")) throw new CommandError("Say --out or --json, not both.");
  if (out !== undefined) write(out, secret);
  try {
    await register();
  } catch (error) {
    if (out !== undefined) rmSync(out, { force: true });
    throw error;
  }
  for (const line of says) note(line);
  if (out !== undefined) note(`The ${what} is in ${out}, and is not shown again.`);
  else if (args.flag("json")) print(JSON.stringify({ ...facts, secret }));
  else {
    note(`The ${what}, which is shown this once:`);
    print(secret);
  }
}

function write(path: string, secret: string): void {
  try {
    writeDurably(path, secret, 0o600);
  } catch (cause) {
    throw new CommandError(`${path} cannot be written: ${writeReason(cause)}.`, { cause });
  }
}
