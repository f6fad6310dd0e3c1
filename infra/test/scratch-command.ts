import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Commands, runCommands } from "../src/command-line/run-commands.ts";

/** A folder for one test, in which commands are typed at a time of the test's choice. */
export interface ScratchCommand extends Disposable {
  readonly folder: string;
  /** Epoch milliseconds; may be moved. */
  nowMs: number;
  /** What people were told besides, by the last command. */
  readonly notes: string[];
  /** Types a command, with paths below the folder where an argument begins with `./`; gives its standard output. */
  type(line: string): Promise<string>;
  /** Its refusal. */
  refusal(line: string): Promise<string>;
  path(name: string): string;
  read(name: string): string;
  write(name: string, content: unknown, mode?: number): string;
  /** Its mode, `600` for instance. */
  mode(name: string): string;
  names(): readonly string[];
}

/** @param group - the group of the commands, as `pnpm zt GROUP …` is typed */
export function scratchCommand(group: string, commands: Commands): ScratchCommand {
  const folder = mkdtempSync(join(tmpdir(), `zero-trust-${group}-`));
  const path = (name: string) => join(folder, name);
  const scratch: ScratchCommand = {
    folder,
    nowMs: Date.parse("2026-03-01T12:00:00.000Z"),
    notes: [],
    async type(line) {
      const printed: string[] = [];
      scratch.notes.length = 0;
      const argv = line.split(" ").map((each) => (each.startsWith("./") ? path(each.slice(2)) : each));
      await runCommands(group, commands, argv, {
        print: (text) => void printed.push(text),
        note: (text) => void scratch.notes.push(text),
        now: () => scratch.nowMs,
      });
      return printed.join("\n");
    },
    refusal: (line) =>
      scratch.type(line).then(
        () => "it was done",
        (error: unknown) => (error as Error).message,
      ),
    path,
    read: (name) => readFileSync(path(name), "utf8"),
    write(name, content, mode = 0o600) {
      writeFileSync(path(name), typeof content === "string" ? content : JSON.stringify(content), { mode });
      return path(name);
    },
    mode: (name) => (statSync(path(name)).mode & 0o777).toString(8),
    names: () => readdirSync(folder).sort(),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
  return scratch;
}
