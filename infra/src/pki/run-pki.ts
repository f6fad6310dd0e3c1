import { argsOf, helpOf, type Surroundings } from "./command.ts";
import { pkiCommands } from "./commands.ts";
import { PkiError } from "./pki-error.ts";
import { columns } from "./table.ts";

/**
 * Runs `pnpm zt pki …`.
 *
 * @param argv - what follows `pki`
 * @throws {PkiError} for the user: what is wrong, and the way out
 */
export async function runPki(argv: readonly string[], surroundings: Surroundings): Promise<void> {
  const [name = "", ...rest] = argv;
  const command = Object.hasOwn(pkiCommands, name) ? pkiCommands[name] : undefined;
  if (command !== undefined && !rest.some((each) => each === "--help" || each === "-h")) {
    await command.run(argsOf(name, command, rest), surroundings);
    return;
  }
  const list = columns(Object.entries(pkiCommands).map(([key, { says }]) => [`  pnpm zt pki ${key}`, says]));
  if (command === undefined && name !== "--help" && name !== "-h") {
    const complaint = name === "" ? "Which command?" : `There is no command "pki ${name}".`;
    throw new PkiError([complaint, ...list].join("\n"));
  }
  for (const line of command === undefined ? [...list, "", "Each has --help."] : helpOf(name, command)) {
    surroundings.print(line);
  }
}
