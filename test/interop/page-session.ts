import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** A block of commands on a page, and what the page says that they print. */
export interface PageBlock {
  /** The title of the section that it is in. */
  readonly section: string;
  readonly commands: string;
  /** `…` stands for anything; nothing is printed where it is missing. */
  readonly prints?: string;
}

/** The blocks `sh` of a page, each with the block `text` that comes right behind it. */
export function blocksOf(page: string): readonly PageBlock[] {
  return page.split(/^## /m).flatMap((content) => {
    const [section = ""] = content.split("\n", 1);
    const blocks = [...content.matchAll(/^```sh\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```\n)?/gm)];
    return blocks.map(([, commands = "", prints]) => ({
      section,
      commands,
      ...(prints === undefined ? {} : { prints }),
    }));
  });
}

/**
 * Runs blocks one after the other in one shell, as somebody who pastes them into a terminal does.
 *
 * @returns what each of them has printed
 */
export async function runBlocks(
  blocks: readonly PageBlock[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "page-session-"));
  try {
    const files = blocks.map((_, index) => join(folder, `${index}`));
    const script = blocks.map(({ commands }, index) => `{\n${commands}} >'${files[index]}' 2>&1 </dev/null\n`);
    // A command that is refused ends with a code of its own, which is no failure of the session.
    writeFileSync(join(folder, "script"), `${script.join("")}exit 0\n`);
    await promisify(execFile)("sh", [join(folder, "script")], options);
    return files.map((file) => readFileSync(file, "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a block has to print, whatever the white space, which buf varies from build to build. */
export function patternOf(prints: string): RegExp {
  const escaped = withoutSpace(prints).replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("…", ".*")}$`);
}

export function withoutSpace(text: string): string {
  return text.replaceAll(/\s+/g, "");
}
