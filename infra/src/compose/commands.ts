import { writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Args, Surroundings } from "../command-line/command.ts";
import type { Commands } from "../command-line/run-commands.ts";
import { environmentFile, prepareCompose } from "./prepare.ts";

const project = fileURLToPath(new URL("../../compose", import.meta.url));

/** The commands of `pnpm zt compose`. */
export const composeCommands: Commands = {
  prepare: {
    usage: "[--folder FOLDER]",
    says: "Writes certificates, keys and passwords for infra/compose, and what docker compose has to know of them",
    options: {
      folder: {
        value: "FOLDER",
        says: "where they go, for something else than infra/compose; default infra/compose/deployment",
      },
    },
    positionals: { min: 0, max: 0 },
    run: runPrepare,
  },
};

async function runPrepare(args: Args, { print, note }: Surroundings): Promise<void> {
  const elsewhere = args.text("folder");
  const folder = resolve(elsewhere ?? join(project, "deployment"));
  const { environment } = await prepareCompose(folder);
  print(folder);
  if (elsewhere !== undefined) return;
  writeFileSync(join(project, ".env"), environmentFile(environment), { mode: 0o600 });
  note("Certificates are good for a day. Renew them every hour with:");
  note(`  pnpm zt pki renew --all --dir ${relative(process.cwd(), join(folder, "pki-authority"))}`);
}
