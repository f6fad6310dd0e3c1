import type { Commands } from "../command-line/run-commands.ts";
import { apiKeyCommands } from "./api-keys.ts";
import { clientCommands } from "./clients.ts";
import { issuerKeyCommands } from "./issuer-keys.ts";
import { publishCommands } from "./publish-api-keys.ts";
import { signingKeyCommands } from "./signing-keys.ts";

const verbs = ["issue", "list", "rotate", "revoke", "grant", "publish"];

/** The commands of `pnpm zt keys`, by verb and then by kind. */
export const keysCommands: Commands = Object.fromEntries(
  Object.entries({
    ...apiKeyCommands,
    ...publishCommands,
    ...signingKeyCommands,
    ...clientCommands,
    ...issuerKeyCommands,
  }).sort(([one], [other]) => verbs.indexOf(one.split(" ")[0] ?? "") - verbs.indexOf(other.split(" ")[0] ?? "")),
);
