import { type ContainerStack, folders, startContainers } from "../stack/container-stack.ts";
import type { ServiceName } from "../stack/stack.ts";

/** Containers whose clocks can be moved while they run. */
export interface MovableStack extends ContainerStack {
  /** Puts a service's clock ahead of the true one by so many seconds, or behind it. */
  moveClock(service: ServiceName, seconds: number): Promise<void>;
}

const clockFile = (service: ServiceName) => `${folders.data}/${service}/clock`;

/** Starts the services with Debian's libfaketime in between them and the clock. */
export async function startMovable(): Promise<MovableStack> {
  const stack = await startContainers({
    imageOf: (service) => `zero-trust/${service}:faketime`,
    environmentOf: (service) => ({
      LD_PRELOAD: "/usr/lib/faketime/libfaketime.so.1",
      FAKETIME_TIMESTAMP_FILE: clockFile(service),
    }),
  });
  return {
    ...stack,
    async moveClock(service, seconds) {
      const offset = `${seconds < 0 ? "" : "+"}${seconds}s`;
      await stack[service].evaluate(`require("node:fs").writeFileSync("${clockFile(service)}", "${offset}\\n")`);
    },
  };
}
