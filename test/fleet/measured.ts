import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

/** How much of it is done: a part with every `pnpm test`, all of it where `ZT_FLEET` says so; `write` keeps what was measured. */
const extent = process.env["ZT_FLEET"];
export const isWhole: boolean = extent === "whole" || extent === "write";

/** A table of the page, as the last run measured it. */
interface MeasuredTable {
  /** When it was measured: `2026-11-29`. */
  readonly date: string;
  /** On what. */
  readonly machine: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The tables that `pnpm test:fleet` measures. */
type TableName = "rolling" | "rolling a fleet" | "revocation" | "faults" | "faults of one of each";
type Tables = Readonly<Partial<Record<TableName, MeasuredTable>>>;

/** A table that a run fills, row by row, prints when it is done, and keeps where it is told to. */
export class MeasuringTable {
  readonly #name: TableName;
  readonly #head: readonly string[];
  readonly #rows: (readonly string[])[] = [];

  constructor(name: TableName, head: readonly string[]) {
    this.#name = name;
    this.#head = head;
  }

  add(...cells: readonly (string | number)[]): void {
    this.#rows.push(cells.map(String));
  }

  close(): void {
    const date = new Date().toISOString().slice(0, 10);
    const machine = `${availableParallelism()} cores, Node ${process.version}`;
    const table: MeasuredTable = { date, machine, head: this.#head, rows: this.#rows };
    console.log(linesOf(table));
    if (extent !== "write") return;
    const all = { ...measuredTables(), [this.#name]: table };
    writeFileSync(measuredPath, `${JSON.stringify(all, null, 2)}\n`);
    writeFileSync(pagePath, pageWith(all));
  }
}

const measuredPath = fileURLToPath(new URL("measured.json", import.meta.url));
const pagePath = fileURLToPath(new URL("../../docs/reliability.md", import.meta.url));

/** The tables that are committed. */
export function measuredTables(): Tables {
  return JSON.parse(readFileSync(measuredPath, "utf8")) as Tables;
}

/** The page as it is. */
export function page(): string {
  return readFileSync(pagePath, "utf8");
}

/** The page with these tables in it, each in its place. */
export function pageWith(tables: Tables): string {
  return Object.entries(tables).reduce((text, [name, table]) => {
    const begin = `<!-- measured: ${name}, written by \`ZT_FLEET=write pnpm test:fleet\` -->\n`;
    const [before, rest = ""] = text.split(begin);
    const after = rest.slice(rest.indexOf("<!-- end -->\n"));
    if (rest === "") throw new Error(`The page has no place for the table ${name}.`);
    return `${before}${begin}\n${linesOf(table)}\n${after}`;
  }, page());
}

/** A column of Markdown has three dashes at least. */
const LEAST_WIDTH = 3;

/** A table in Markdown, its columns as wide as what is in them. */
function linesOf({ date, machine, head, rows }: MeasuredTable): string {
  const widths = head.map((name, at) => Math.max(LEAST_WIDTH, name.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  return [
    line(head),
    line(widths.map((width) => "-".repeat(width))),
    ...rows.map(line),
    "",
    `Measured on ${date}, ${machine}.`,
    "",
  ].join("\n");
}
