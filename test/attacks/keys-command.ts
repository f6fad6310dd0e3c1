import { join } from "node:path";
import { runCommands } from "@zero-trust/infra/command-line/run-commands";
import { keysCommands } from "@zero-trust/infra/keys/commands";
import type { Stack } from "../stack/stack.ts";

/**
 * `pnpm zt keys …` on the files of a stack; its services get them when it is told to publish them.
 *
 * @param line - what follows `keys`; paths such as `payment/api-keys.json` lie in the deployment's folder
 * @param nowMs - when it is done; now, unless given
 * @returns what it printed
 */
export async function ztKeys(
  { deployment }: Pick<Stack, "deployment">,
  line: string,
  nowMs: number = Date.now(),
): Promise<string> {
  const inFolder = (word: string) => (/^(?:issuer|order|payment)\//.test(word) ? join(deployment.folder, word) : word);
  const printed: string[] = [];
  await runCommands("keys", keysCommands, line.split(" ").map(inFolder), {
    print: (text) => void printed.push(text),
    note: () => undefined,
    now: () => nowMs,
  });
  return printed.join("\n").trim();
}

/** The public id of an API key. */
export function idOf(apiKey: string): string {
  return apiKey.split("-")[2] ?? "";
}
