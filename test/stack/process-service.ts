import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ServiceProcess } from "@zero-trust/infra/service-process";
import { forgetPeak, memoryIn } from "./process-status.ts";
import type { Memory, StackService } from "./stack.ts";

/** What services write beside what they are given. */
const written = /\.sqlite(?:-wal|-shm)?$|\.jsonl|^api-key-uses\.json/;

/** A service that runs as a process of this machine, and writes into a folder of its own. */
export function processService(service: ServiceProcess, folder: string): StackService {
  return {
    port: service.port,
    address: `127.0.0.1:${service.port}`,
    log: async () => [...service.log],
    said: async () => [...service.said],
    startedAs: async () => (isAlive(service.pid) ? String(service.pid) : undefined),
    stop: (signal) => service.stop(signal),
    restart: () => service.restart(),
    pause: async () => void process.kill(service.pid, "SIGSTOP"),
    resume: async () => void process.kill(service.pid, "SIGCONT"),
    memory: async () => memoryOf(service.pid),
    async data() {
      const names = readdirSync(folder).filter((each) => written.test(each));
      return new Map(names.map((each) => [each, readFileSync(join(folder, each))]));
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function memoryOf(pid: number): Memory {
  if (existsSync(`/proc/${pid}/status`)) {
    const memory = memoryIn(readFileSync(`/proc/${pid}/status`, "utf8"));
    writeFileSync(`/proc/${pid}/clear_refs`, forgetPeak);
    return memory;
  }
  const now = Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024;
  return { now, peak: now };
}
