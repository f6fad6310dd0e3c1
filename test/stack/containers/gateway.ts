import { spawn } from "node:child_process";
import { GenericContainer, Wait } from "testcontainers";
import { RelayProgram } from "../relay-program.ts";
import { docker } from "./docker.ts";
import { userId } from "./filled-volume.ts";
import { runLabel } from "./leftovers.ts";

/** How the gateway is run. */
export interface GatewayOptions {
  /** Any image that has Node. */
  readonly image: string;
  readonly runId: string;
  /** The services' network, by name; the gateway is the one container that is also on another. */
  readonly network: string;
  /** Its names on that network. */
  readonly aliases: readonly string[];
  /** Volumes by where they are mounted. */
  readonly mounts: Readonly<Record<string, { readonly volume: string; readonly mode: "ro" | "rw" }>>;
  /** The ports of the container that are reached from here. */
  readonly published: readonly number[];
  /** The program to run in it, and its arguments. */
  readonly program: readonly string[];
}

/** The one way into the services' network: relays in a container, each with a port on 127.0.0.1. */
export interface Gateway extends AsyncDisposable {
  readonly id: string;
  readonly program: RelayProgram;
  /** The port of this machine that leads to one of the container's. */
  portOf(published: number): number;
}

const waits = 'console.log("waiting"); setInterval(() => {}, 1e9);';

/** Starts it. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const started = await new GatewayContainer(options).start();
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => void (await started.stop()));
  const id = started.getId();
  const aliases = options.aliases.flatMap((alias) => ["--alias", alias]);
  await docker("network", "connect", ...aliases, options.network, id);
  const child = spawn("docker", ["exec", "--interactive", id, "node", ...options.program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const program = cleanup.use(new RelayProgram(child));
  const running = cleanup.move();
  return {
    id,
    program,
    portOf: (published) => started.getMappedPort(published),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

class GatewayContainer extends GenericContainer {
  constructor({ image, runId, mounts, published }: GatewayOptions) {
    super(image);
    this.withUser(`${userId}:${userId}`)
      .withDroppedCapabilities("ALL")
      .withSecurityOpt("no-new-privileges")
      .withBindMounts(Object.entries(mounts).map(([target, { volume, mode }]) => ({ source: volume, target, mode })))
      .withLabels({ [runLabel]: runId })
      .withAutoCleanup(false)
      .withEntrypoint(["node", "--eval", waits])
      .withWaitStrategy(Wait.forLogMessage("waiting"))
      .withExposedPorts(...published);
    this.hostConfig.ReadonlyRootfs = true;
    // Its image is a service's, and it is none.
    this.createOpts.Healthcheck = { Test: ["NONE"] };
    // Nobody but this machine is to reach what is attacked.
    this.hostConfig.PortBindings = Object.fromEntries(
      published.map((port) => [`${port}/tcp`, [{ HostIp: "127.0.0.1", HostPort: "0" }]]),
    );
  }
}
