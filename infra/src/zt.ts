/** `pnpm zt <command>`: the command line of the repository. */
import { policyPage } from "./policy-page.ts";

const commands: Readonly<Record<string, { readonly says: string; readonly run: () => void }>> = {
  policy: {
    says: "prints who may call what, as Markdown (docs/policy.md)",
    run: () => void process.stdout.write(policyPage()),
  },
};

const [name = ""] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
if (command === undefined) {
  const list = Object.entries(commands).map(([key, { says }]) => `  pnpm zt ${key}   ${says}`);
  process.stderr.write(`${name === "" ? "Which command?" : `There is no command "${name}".`}\n${list.join("\n")}\n`);
  process.exitCode = 1;
} else {
  command.run();
}
