import { argsOf, type Command, helpOf, type Surroundings } from "./command.ts";
import { CommandError } from "./command-error.ts";
import { columns } from "./table.ts";

/** Commands by name; a name has two words where the second says what is meant, and none where there is nothing to choose. */
export type Commands = Readonly<Record<string, Command>>;

/**
 * Runs one of the commands of a group, `pnpm zt pki …` for instance.
 *
 * @param group - as it is typed, `pki`
 * @param argv - what follows it
 * @throws {CommandError} for the user: what is wrong, and the way out
 */
export async function runCommands(
  group: string,
  commands: Commands,
  argv: readonly string[],
  surroundings: Surroundings,
): Promise<void> {
  const typed = (name: string) => `pnpm zt ${group} ${name}`.trimEnd();
  const words = [2, 1, 0].find((count) => Object.hasOwn(commands, argv.slice(0, count).join(" ")));
  const name = argv.slice(0, words ?? 0).join(" ");
  const rest = argv.slice(words ?? 0);
  const command = words === undefined ? undefined : commands[name];
  const asksForHelp = rest.some(isHelp);
  if (command !== undefined && !asksForHelp) {
    await command.run(argsOf(typed(name), command, rest), surroundings);
    return;
  }
  if (command !== undefined && name !== "") {
    for (const line of helpOf(typed(name), command)) surroundings.print(line);
    return;
  }
  const [verb = ""] = argv;
  const ofVerb = Object.entries(commands).filter(([key]) => key.startsWith(`${verb} `));
  const shown = ofVerb.length > 0 ? ofVerb : Object.entries(commands);
  const list = columns(shown.map(([key, { says }]) => [`  ${typed(key)}`, says]));
  if (!asksForHelp) {
    const asked = argv.slice(0, ofVerb.length > 0 ? 2 : 1).join(" ");
    const complaint =
      asked === "" || (asked === verb && ofVerb.length > 0)
        ? "Which command?"
        : `There is no command "${group} ${asked}".`;
    throw new CommandError([complaint, ...list].join("\n"));
  }
  const help =
    command === undefined ? [...list, "", "Each has --help."] : [...helpOf(typed(name), command), "", ...list];
  for (const line of help) surroundings.print(line);
}

function isHelp(argument: string): boolean {
  return argument === "--help" || argument === "-h";
}
