import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ServiceProcess } from "@zero-trust/infra/service-process";
import { newStackFolder, startStack } from "@zero-trust/infra/stack";
import { forgetPeak, memoryIn } from "./process-status.ts";
import { RelayProgram } from "./relay-program.ts";
import type { Memory, Relay, ServiceName, Stack, StackService } from "./stack.ts";

/** What services write beside what they are given. */
const written = /\.sqlite(?:-wal|-shm)?$|\.jsonl|^api-key-uses\.json/;

let started = 0;

/** The services as processes of this machine, on loopback. */
export async function startProcesses(): Promise<Stack> {
  started += 1;
  const folder = newStackFolder(`attacked-${started}`);
  await using cleanup = new AsyncDisposableStack();
  const main = fileURLToPath(new URL("relay/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, join(folder, "pki")], { stdio: ["pipe", "pipe", "inherit"] });
  const program = cleanup.use(new RelayProgram(child));
  const relays = new Map<string, Relay>();
  const between = async (name: string, target: string) => {
    const [relay, port] = await program.open({ name, host: "127.0.0.1", port: 0, target });
    relays.set(name, relay);
    return `127.0.0.1:${port}`;
  };
  const { deployment, ...services } = cleanup.use(await startStack(folder, { between }));
  const relay = (name: string): Relay => {
    const found = relays.get(name);
    if (found === undefined) throw new Error(`Nothing is between ${name} and the others.`);
    return found;
  };
  const file = (path: string) => join(folder, path);
  const files = {
    order: file("order/order.sqlite"),
    payment: file("payment/payment.sqlite"),
    acquirer: file("payment/acquirer.sqlite"),
  };
  const running = cleanup.move();
  return {
    driver: "processes",
    deployment,
    issuer: serviceOf("issuer", services.issuer, folder),
    payment: serviceOf("payment", services.payment, folder),
    order: serviceOf("order", services.order, folder),
    relays: { issuer: relay("issuer"), payment: relay("payment") },
    // They read the deployment's own folder.
    publish: async () => undefined,
    effects: () => program.effects(files),
    alter: (database, statement) => program.alter(files[database], statement),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function serviceOf(name: ServiceName, service: ServiceProcess, folder: string): StackService {
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
      const names = readdirSync(join(folder, name)).filter((each) => written.test(each));
      return new Map(names.map((each) => [each, readFileSync(join(folder, name, each))]));
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
