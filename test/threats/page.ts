import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { scenarioFilesOf } from "../catalogue/scenario-files.ts";
import { catalogue, rowOf } from "../catalogue.ts";
import { boundaries } from "../threats.ts";
import type { Boundary, Threat } from "./threat.ts";

/** `docs/threat-model.md`. */
export const pagePath: string = fileURLToPath(new URL("../../docs/threat-model.md", import.meta.url));

/** The page, as the threats and the catalogue say it. */
export function page(): string {
  return `${[intro(), overview(), ...boundaries.map(section), outro()].join("\n\n")}\n`;
}

function intro(): string {
  const count = boundaries.flatMap(({ threats }) => threats).length;
  const rows = catalogue.flatMap((group) => group.rows).length;
  return [
    "# Threat model",
    wrap(
      `What somebody might do to these services, by STRIDE and by the boundary that it crosses: ${count} threats, each with the files that answer it, the scenarios that prove it, and who asks for it. The scenarios are the ${rows} rows of the [catalogue](../test/catalogue.ts): \`pnpm test:attacks\` tries them against processes, \`pnpm test:e2e\` against containers, and each has an edit in \`test/mutants\` that opens its door. The [report](../CONTRIBUTING.md#the-catalogue) of a run links back here.`,
    ),
    wrap(
      "Assumed: the network is the attacker's; any workload may be taken over, and is then what it was granted and no more; an operator who holds the CA's key, the issuer's key or root on a machine is trusted, and so are Node, OpenSSL and the libraries of the lockfile. Not answered here: what a workload that was taken over does with its own grants, floods that fill the line before a byte reaches the process, and side channels of the hardware.",
    ),
    wrap(
      "SP 800-207 is NIST's _Zero Trust Architecture_, by its tenets of §2.1; API1:2023 to API10:2023 are the _OWASP API Security Top 10_.",
    ),
  ].join("\n\n");
}

function overview(): string {
  const lines = boundaries.map(({ title, threats }) => {
    const kinds = threats.map(({ id, stride }) => `[${id}](#${id}) (${stride.toLowerCase()})`);
    return wrap(`- **${title}**: ${kinds.join(", ")}`, "  ");
  });
  return ["## Where trust changes", lines.join("\n")].join("\n\n");
}

function section({ title, intro: text, threats }: Boundary): string {
  return [`## ${title}`, wrap(text), ...threats.map(entry)].join("\n\n");
}

function entry({ id, stride, threat, answer, files, scenarios, standards }: Threat): string {
  const links = files.map((file) => `[${file.replace(/^(packages|services)\//, "")}](../${file})`);
  const proofs = scenarios.map(proof);
  return [
    `<a id="${id}"></a>\n\n### ${sentence(id)}`,
    wrap(`_${stride}._ ${threat}`),
    wrap(`**Answer.** ${answer}`),
    [
      wrap(`- answered by ${links.join(", ")}`, "  "),
      "- proved by",
      ...proofs.map((line) => wrap(line, "    ")),
      wrap(`- asked for by ${standards.join(", ")}`, "  "),
    ].join("\n"),
  ].join("\n\n");
}

/** A row, and the file of its tests. */
function proof(id: string): string {
  const { attack } = rowOf(id);
  const [file] = scenarioFilesOf(id);
  const row = file === undefined ? id : `[${id}](../${file})`;
  return `  - ${row}: ${attack.replaceAll("_", "\\_")}`;
}

function outro(): string {
  return wrap(
    "This file is printed by `node test/threats/page.ts --write` from `test/threats` and the catalogue; edit it there.",
  );
}

const sentence = (id: string): string => {
  const words = id.replaceAll("-", " ").replace("http2", "HTTP/2");
  return words[0]?.toUpperCase() + words.slice(1);
};

/** Lines of at most 120 characters. */
function wrap(text: string, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=\S) (?=\S)/)) {
    if (line.trim() !== "" && line.length + 1 + word.length > 120) {
      lines.push(line);
      line = indent + word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}

if (import.meta.main && process.argv.includes("--write")) writeFileSync(pagePath, page());
