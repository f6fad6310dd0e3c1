import { resolve } from "node:path";
import { nameOf } from "@zero-trust/auth/explain";
import type { Args, Surroundings } from "../command-line/command.ts";
import { CommandError } from "../command-line/command-error.ts";
import type { Commands } from "../command-line/run-commands.ts";
import { declaredState } from "./declared.ts";
import { deployedState } from "./deployed.ts";
import { explainCall, explanationLines, findMethod, presentedKinds } from "./explain-call.ts";
import type { Holders } from "./holders.ts";
import { matrixOf } from "./matrix.ts";
import { matrixLines } from "./matrix-lines.ts";
import { matrixMarkdown } from "./matrix-markdown.ts";

const deployment = {
  value: "FOLDER",
  says: "who holds what there: order/, payment/ and issuer/; what infra/grants declares, unless given",
};

/** The commands of `pnpm zt policy`. */
export const policyCommands: Commands = {
  "": {
    usage: "[--format table|json|markdown] [--deployment FOLDER]",
    says: "Prints who may call what, and which clients can today",
    options: { format: { value: "FORMAT", says: "table, json or markdown; default table" }, deployment },
    positionals: { min: 0, max: 0 },
    run: runMatrix,
  },
  explain: {
    usage: "METHOD --as CLIENT [--with api_key,bearer,hmac] [--deployment FOLDER]",
    says: "Walks through the decision of a call: what lets it in, or what is missing",
    options: {
      as: { value: "CLIENT", says: "who calls" },
      with: {
        value: "LIST",
        says: "what it presents: api_key, bearer, hmac, or mtls for its certificate alone; default what it has of what is asked for",
      },
      deployment,
      json: { says: "for programs" },
    },
    positionals: { min: 1, max: 1 },
    run: runExplain,
  },
};

async function runMatrix(args: Args, surroundings: Surroundings): Promise<void> {
  const format = args.text("format") ?? "table";
  const folder = args.text("deployment");
  const matrix = matrixOf(await stateOf(args, surroundings));
  const formats: Readonly<Record<string, () => readonly string[]>> = {
    table: () => matrixLines(matrix),
    json: () => [JSON.stringify(matrix, null, 2)],
    markdown: () => matrixMarkdown(matrix, folder === undefined ? "`infra/grants`" : "a deployment"),
  };
  const lines = Object.hasOwn(formats, format) ? formats[format] : undefined;
  if (lines === undefined) throw new CommandError(`"${format}" is no format; there are table, json and markdown.`);
  for (const line of lines()) surroundings.print(line);
}

async function runExplain(args: Args, surroundings: Surroundings): Promise<void> {
  const [typed = ""] = args.positionals;
  const method = findMethod(typed);
  const kinds = args.text("with");
  const holders = await stateOf(args, surroundings);
  const presented = kinds === undefined ? undefined : presentedKinds(kinds);
  const call = explainCall(method, { client: args.required("as"), presented, holders });
  for (const kind of presented ?? []) {
    if (call.holdings.some(({ credential }) => credential === kind)) continue;
    surroundings.note(`${call.client} has no ${nameOf(kind)} for ${method.service.audience}.`);
  }
  if (args.flag("json")) {
    const { answer, steps } = call.explanation;
    surroundings.print(JSON.stringify({ method: method.method.path, client: call.client, answer, steps }, null, 2));
  } else for (const line of explanationLines(method, call, holders)) surroundings.print(line);
}

async function stateOf(args: Args, { now }: Surroundings): Promise<Holders> {
  const folder = args.text("deployment");
  return folder === undefined ? declaredState() : await deployedState(resolve(folder), now());
}
