import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Effect, Trap } from "./trap.ts";
import { sections } from "./traps.ts";

/** What docs/grpc-js.md was measured with; a test compares it with what is installed. */
export const measuredWith: { readonly grpcJs: string; readonly node: string } = { grpcJs: "1.14.7", node: "24.21.0" };

const folder = fileURLToPath(new URL(".", import.meta.url));
export const pagePath: string = join(folder, "../../docs/grpc-js.md");

const EFFECTS: Readonly<Record<Effect, string>> = {
  "lets in": "somebody gets in who should not",
  leaks: "a secret, or what is only yours, gets out",
  hangs: "a call, or the process, waits or ends",
  breaks: "what worked fails, in production rather than in a test",
  surprises: "nothing fails; it is only not what you thought",
};

/** The page docs/grpc-js.md. What it says stands in the files next to this one; the code on it is quoted from the tests. */
export function page(): string {
  const parts = [intro(), options(), contents()];
  for (const { title, intro: text, traps } of sections) {
    parts.push(`## ${title}\n\n${wrap(text)}`, ...traps.map(entry));
  }
  parts.push(outro());
  return `${parts.join("\n\n")}\n`;
}

function intro(): string {
  return [
    "# grpc-js in production: what it does to you",
    wrap(
      `[\`@grpc/grpc-js\`](https://github.com/grpc/grpc-node/tree/master/packages/grpc-js) is a good library whose documentation is its source. This page lists what it, and Node below it, do that people do not expect when they depend on it for security: how it fails open, leaks, hangs or breaks. Everything here was measured with grpc-js ${measuredWith.grpcJs} and Node ${measuredWith.node}, and is measured again by every run of the tests: each entry names those that show it with nothing but grpc-js, so you can read the ten lines that do it, and one that fails after an upgrade says that the entry has to be read again. Node 26.10.0, tried by hand, differs in two, which say so. The code is quoted from the tests.`,
    ),
    wrap(
      "_Instead_ is for everybody: it needs grpc-js and Node alone, and says so where there is no public way. _Here_ is what the packages of this repository do about it, with the tests that hold them to it.",
    ),
    wrap(
      "This file is printed by `node test/traps/page.ts --write` from `test/traps`; edit it there. Found another one? An entry is a paragraph and a test: see [CONTRIBUTING](../CONTRIBUTING.md).",
    ),
  ].join("\n\n");
}

function options(): string {
  return [
    "## What options can do",
    wrap(
      "These close what an option can close; the numbers are those of this repository. What is left takes code, beginning with a logger that prints no [traces](#traces) and no [values](#rejected-values).",
    ),
    `\`\`\`ts\n${snippet("options")}\n\`\`\``,
  ].join("\n\n");
}

function contents(): string {
  const rows = sections.flatMap(({ traps }) => traps.map(({ id, title, effect }) => [`[${title}](#${id})`, effect]));
  const meanings = Object.entries(EFFECTS).map(([effect, meaning]) => `_${effect}_: ${meaning}`);
  return ["## All of them", table(rows), wrap(`${meanings.join("; ")}.`)].join("\n\n");
}

/** As the formatter of this repository lays it out. */
function table(rows: readonly (readonly string[])[]): string {
  const all = [["what", "effect"], ...rows];
  const width = (column: number): number => Math.max(...all.map((row) => (row[column] ?? "").length));
  const line = (row: readonly string[], fill = " "): string =>
    `| ${row.map((text, column) => text.padEnd(width(column), fill)).join(" | ")} |`;
  const [head = [], ...body] = all;
  return [
    line(head),
    line(
      head.map(() => ""),
      "-",
    ),
    ...body.map((row) => line(row)),
  ].join("\n");
}

function entry(trap: Trap): string {
  const parts = [
    `<a id="${trap.id}"></a>\n\n### ${trap.title}`,
    wrap(trap.happens),
    wrap(`**Instead.** ${trap.instead}`),
  ];
  if (trap.snippet !== undefined) parts.push(`\`\`\`ts\n${snippet(trap.snippet)}\n\`\`\``);
  parts.push(wrap(`**Here.** ${trap.here}`), tests(trap));
  return parts.join("\n\n");
}

function tests(trap: Trap): string {
  const { library } = trap;
  const shown =
    "notShown" in library
      ? [`- shown by no test: ${library.notShown}`]
      : library.map((name) => `- shown in ${link(`test/traps/${fileOf(name)}`)}: ${claim(name)}`);
  return [...shown, ...trap.ours.map(([file, name]) => `- held by ${link(file)}: ${claim(name)}`)].join("\n");
}

const link = (file: string): string => `[${file.replace(/^(packages|test)\//, "")}](../${file})`;

/** A name as it reads; what a table fills in is left open. */
const claim = (name: string): string =>
  name
    .replace(/^library: /, "")
    .replaceAll(/%[sj]/g, "…")
    .replace(" (%#)", "")
    .replaceAll("<", "&lt;");

function outro(): string {
  return [
    "## What the tests look like",
    wrap(
      "A server and a client of grpc-js with nothing of ours, on loopback ([echo-server.ts](../test/traps/echo-server.ts), [echo-client.ts](../test/traps/echo-client.ts)); a raw connection where a library would not send such a thing ([raw-http2.ts](../test/traps/raw-http2.ts)); a process of its own for what would end that of the tests ([child.ts](../test/traps/child.ts)). The names of these tests begin with `library:`. `pnpm --filter @zero-trust/test exec vitest run --root . --config ../vitest.config.ts traps` runs them.",
    ),
  ].join("\n\n");
}

const testFiles: readonly string[] = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
const sources: ReadonlyMap<string, string> = new Map(
  testFiles.map((name) => [name, readFileSync(join(folder, name), "utf8")]),
);

/** The file of this folder that has a test with this name. */
export function fileOf(name: string): string {
  const found = [...sources].filter(([, source]) => source.includes(JSON.stringify(name)));
  const [[file] = []] = found;
  if (file === undefined || found.length > 1)
    throw new Error(`${found.length} tests are named ${JSON.stringify(name)}.`);
  return file;
}

/** The lines of a test between its markers, without their indentation. */
function snippet(name: string): string {
  const pattern = new RegExp(String.raw`^ *// page: ${name}\n(.*?)\n *// end$`, "ms");
  const [lines] = [...sources.values()].flatMap((source) => pattern.exec(source)?.[1] ?? []);
  if (lines === undefined) throw new Error(`No test has a part that is named ${name}.`);
  const indent = /^ */.exec(lines)?.[0].length ?? 0;
  return lines.replaceAll(new RegExp(`^ {${indent}}`, "gm"), "");
}

/** Lines of at most 120 characters. */
function wrap(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > 120) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}

if (import.meta.main && process.argv.includes("--write")) writeFileSync(pagePath, page());
