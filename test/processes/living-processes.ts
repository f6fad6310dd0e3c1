import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

export interface LivingProcess {
  readonly pid: number;
  readonly parent: number;
}

/** The processes of this machine that have not ended; one that only waits for its parent to notice has. */
export function livingProcesses(): readonly LivingProcess[] {
  return rows()
    .filter(({ state }) => !state.startsWith("Z"))
    .map(({ pid, parent }) => ({ pid, parent }));
}

/** From /proc where there is one: small images have no `ps`. */
function rows(): readonly (LivingProcess & { readonly state: string })[] {
  if (!existsSync("/proc/self/stat")) {
    const listed = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat="], { encoding: "utf8" });
    return listed
      .trim()
      .split("\n")
      .map((line) => {
        const [pid, parent, state = ""] = line.trim().split(/\s+/);
        return { pid: Number(pid), parent: Number(parent), state };
      });
  }
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // pid (command) state parent …; the command may have anything in it.
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [state = "", parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return [{ pid: Number(name), parent: Number(parent), state }];
      } catch {
        // It has ended since.
        return [];
      }
    });
}
