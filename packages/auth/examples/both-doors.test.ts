import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClientOptions, credentials, makeClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { expect, test, vi } from "vitest";
import { connect } from "../src/client.ts";
import type { DecisionMeasure } from "../src/server.ts";
import { idOf } from "../test/ping-server.ts";
import { openBothDoors } from "./both-doors.ts";
import { greeter } from "./greeter.ts";

test("in shadow mode callers of the old address and of the new one are served, and the log says who would not be", async () => {
  const folder = mkdtempSync(join(tmpdir(), "zt-both-"));
  const leaf = await (await createCa()).issue({ spiffeId: idOf("greeter") });
  const write = (path: string, content: string) => writeFileSync(join(folder, path), content, { mode: 0o600 });
  mkdirSync(join(folder, "tls"));
  write("tls/tls.crt", leaf.cert);
  write("tls/tls.key", leaf.key);
  write("tls/ca.crt", leaf.ca);
  write(
    "grants.json",
    JSON.stringify({ grants: [{ spiffeId: idOf("greeter"), client: "itself", scopes: ["greet"] }] }),
  );
  const warned = vi.spyOn(process, "emitWarning").mockReturnValue();
  const measures: DecisionMeasure[] = [];
  const handlers = { Greet: (_call: unknown, answer: (error: null, value: unknown) => void) => answer(null, "hello") };
  const onMeasure = (measure: DecisionMeasure) => void measures.push(measure);
  const doors = await openBothDoors({ service: greeter, handlers, onMeasure, folder });
  const target = `127.0.0.1:${doors.port}`;
  const channels = mutualTlsChannels({
    identity: identityFromDirectory(join(folder, "tls")),
    target,
    serverId: idOf("greeter"),
  });
  const Greeter = makeClientConstructor(greeter, "Greeter");
  const ask = (address: string, options: ClientOptions = {}) =>
    new Promise((resolve, reject) => {
      const client = new Greeter(address, credentials.createInsecure(), options);
      client["Greet"]?.({}, (error: ServiceError | null, answer: unknown) => {
        client.close();
        if (error === null) resolve(answer);
        else reject(error);
      });
    });
  try {
    expect(await ask(`127.0.0.1:${doors.oldPort}`)).toBe("hello");
    const channelOverride = connect({ channels, credentials: [] }).channel();
    expect(await ask(target, { channelOverride })).toBe("hello");
    const log = readFileSync(join(folder, "decisions.jsonl"), "utf8").trimEnd().split("\n");
    expect(log.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { outcome: "would-refuse", reason: "PEER_INVALID", shadow: true },
      { outcome: "allowed", client: "itself", shadow: true },
    ]);
    expect(measures.map(({ outcome }) => outcome)).toEqual(["would-refuse", "allowed"]);
    expect(warned).toHaveBeenCalledOnce();
  } finally {
    warned.mockRestore();
    channels.close();
    doors.server.forceShutdown();
    await doors.door.close();
    rmSync(folder, { recursive: true });
  }
});
