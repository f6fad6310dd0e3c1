import { GenericContainer } from "testcontainers";
import { userId } from "./filled-volume.ts";
import { runLabel } from "./leftovers.ts";

/** How a container is run. */
export interface HardenedContainerOptions {
  readonly image: string;
  readonly runId: string;
  /** The one network that it is on, by name. */
  readonly network: string;
  /** Its name on that network. */
  readonly alias: string;
  /** Volumes by where they are mounted, read-only. */
  readonly readOnly: Readonly<Record<string, string>>;
  /** Volumes by where they are mounted, to be written. */
  readonly writable?: Readonly<Record<string, string>>;
}

/** A container that may do nothing but its work: no root, no capability, nothing to write but its data and `/tmp`. */
export class HardenedContainer extends GenericContainer {
  constructor({ image, runId, network, alias, readOnly, writable = {} }: HardenedContainerOptions) {
    super(image);
    const mounts = (volumes: Readonly<Record<string, string>>, mode: "ro" | "rw") =>
      Object.entries(volumes).map(([target, source]) => ({ source, target, mode }));
    this.withUser(`${userId}:${userId}`)
      .withDroppedCapabilities("ALL")
      .withSecurityOpt("no-new-privileges")
      .withTmpFs({ "/tmp": "rw,noexec,nosuid,nodev,size=16m" })
      .withBindMounts([...mounts(readOnly, "ro"), ...mounts(writable, "rw")])
      .withLabels({ [runLabel]: runId })
      // The run removes what it has started by its own label.
      .withAutoCleanup(false)
      .withNetworkMode(network);
    this.hostConfig.ReadonlyRootfs = true;
    // Not withNetworkAliases(), which would put the container on the default network as well.
    this.createOpts.NetworkingConfig = { EndpointsConfig: { [network]: { Aliases: [alias] } } };
  }
}
