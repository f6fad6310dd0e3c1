/** `pnpm zt <command>`: the command line of the repository. */
import { CommandError, systemReason } from "./command-line/command-error.ts";
import { type Commands, runCommands } from "./command-line/run-commands.ts";
import { composeCommands } from "./compose/commands.ts";
import { keysCommands } from "./keys/commands.ts";
import { pkiCommands } from "./pki/commands.ts";
import { policyCommands } from "./policy/commands.ts";

const groups: Readonly<Record<string, { readonly says: string; readonly commands: Commands }>> = {
  pki: { says: "makes, renews, revokes and shows certificates (docs/pki.md)", commands: pkiCommands },
  keys: {
    says: "issues, rotates, revokes and lists API keys, signing keys, clients and issuer keys (docs/keys.md)",
    commands: keysCommands,
  },
  policy: {
    says: "shows who may call what, and why a call is let in or refused (docs/policy.md)",
    commands: policyCommands,
  },
  compose: {
    says: "writes the deployment of infra/compose (docs/deploy.md)",
    commands: composeCommands,
  },
};

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const note = (line: string): void => void process.stderr.write(`${line}\n`);

const [name = "", ...argv] = process.argv.slice(2);
const group = Object.hasOwn(groups, name) ? groups[name] : undefined;
process.stdout.on("error", (error) => {
  // Whoever pipes into `head` has seen enough; a secret that did not arrive is gone.
  const hadSecret = name === "keys" && ["issue", "rotate"].includes(argv[0] ?? "");
  if (hadSecret)
    note(`It could not be printed: ${systemReason(error)}. It was issued, and is lost: revoke or rotate it.`);
  process.exit(1);
});
try {
  if (group === undefined) {
    const list = Object.entries(groups).map(([key, { says }]) => `  pnpm zt ${key.padEnd(7)}   ${says}`);
    throw new CommandError([name === "" ? "Which command?" : `There is no command "${name}".`, ...list].join("\n"));
  }
  await runCommands(name, group.commands, argv, { print, note, now: Date.now });
} catch (error) {
  // A stack is for us; whoever typed the command gets the sentence.
  note(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
