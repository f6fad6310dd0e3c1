import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newStackFolder, startStack } from "@zero-trust/infra/stack";
import { processService } from "./process-service.ts";
import { RelayProgram } from "./relay-program.ts";
import type { Relay, Stack, StackSettings } from "./stack.ts";

let started = 0;

/** The services as processes of this machine, on loopback. */
export async function startProcesses({ environmentOf }: StackSettings = {}): Promise<Stack> {
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
  const { deployment, ...services } = cleanup.use(
    await startStack(folder, { between, ...(environmentOf === undefined ? {} : { environmentOf }) }),
  );
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
    issuer: processService(services.issuer, file("issuer")),
    payment: processService(services.payment, file("payment")),
    order: processService(services.order, file("order")),
    relays: { issuer: relay("issuer"), payment: relay("payment") },
    // They read the deployment's own folder.
    publish: async () => undefined,
    effects: () => program.effects(files),
    alter: (database, statement) => program.alter(files[database], statement),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
