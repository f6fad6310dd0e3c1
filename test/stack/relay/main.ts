/**
 * Relays between the services of a stack, and between them and the tests: a program without a dependency, so that it runs in
 * any container that has Node. It is told what to do line by line on standard input. The argument is the folder of the
 * workloads' certificates.
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { alterDatabase } from "./alter-database.ts";
import { countEffects } from "./count-effects.ts";
import type { RelayRequest } from "./protocol.ts";
import { TcpRelay } from "./tcp-relay.ts";

const [, , pki = ""] = process.argv;
const relays = new Map<string, TcpRelay>();

function relayOf(name: string): TcpRelay {
  const relay = relays.get(name);
  if (relay === undefined) throw new Error(`There is no relay ${name}.`);
  return relay;
}

async function answer(request: RelayRequest): Promise<unknown> {
  switch (request.kind) {
    case "open": {
      const [relay, port] = await TcpRelay.open(request.options, (workload) => join(pki, workload));
      relays.set(request.options.name, relay);
      return port;
    }
    case "become":
      relayOf(request.name).become(request.mode);
      return undefined;
    case "state":
      return relayOf(request.name).state;
    case "effects":
      return countEffects(request.files);
    case "alter":
      alterDatabase(request.file, request.statement);
      return undefined;
  }
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { id, ...request } = JSON.parse(line) as RelayRequest & { readonly id: number };
    void answer(request as RelayRequest)
      .then(
        (result) => ({ result }),
        (error: unknown) => ({ failure: error instanceof Error ? error.message : String(error) }),
      )
      .then((said) => process.stdout.write(`${JSON.stringify({ id, ...said })}\n`));
  })
  // Nobody is to be left behind.
  .on("close", () => process.exit());
