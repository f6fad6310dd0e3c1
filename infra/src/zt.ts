/** `pnpm zt <command>`: the command line of the repository. */
import { PkiError } from "./pki/pki-error.ts";
import { runPki } from "./pki/run-pki.ts";
import { policyPage } from "./policy-page.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const commands: Readonly<
  Record<string, { readonly says: string; readonly run: (argv: readonly string[]) => void | Promise<void> }>
> = {
  pki: {
    says: "makes, renews, revokes and shows certificates (docs/pki.md)",
    run: (argv) => runPki(argv, { print, now: Date.now }),
  },
  policy: {
    says: "prints who may call what, as Markdown (docs/policy.md)",
    run: () => void process.stdout.write(policyPage()),
  },
};

const [name = "", ...argv] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
try {
  if (command === undefined) {
    const list = Object.entries(commands).map(([key, { says }]) => `  pnpm zt ${key.padEnd(6)}   ${says}`);
    throw new PkiError([name === "" ? "Which command?" : `There is no command "${name}".`, ...list].join("\n"));
  }
  await command.run(argv);
} catch (error) {
  // A stack is for us; whoever typed the command gets the sentence.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
