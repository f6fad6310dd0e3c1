import { create, toBinary } from "@bufbuild/protobuf";
import type { TlsMaterial } from "@zero-trust/mtls";
import {
  type AttackCall,
  type Attacker,
  attacker,
  createCa,
  grpcMessage,
  PingRequestSchema,
} from "@zero-trust/testkit";
import { expect } from "vitest";
import { type AttackedOptions, type AttackedService, type Figures, startAttacked } from "./attacked-service.ts";
import { startGoodCaller } from "./good-caller.ts";

/** The unary method that is attacked. */
export const path = "/zerotrust.testkit.v1.PingService/Ping";

/** A request of that method with its gRPC prefix; the handler answers "wait" only after a long time. */
export function pingMessage(text: string): Buffer {
  return grpcMessage(toBinary(PingRequestSchema, create(PingRequestSchema, { text })));
}

/** A call of that method that is right in every way. */
export const goodCall: AttackCall = { path, body: [pingMessage("good again")] };

/** By how much the memory of the service may grow in an attack, in bytes; the bombs alone would be 50 GB. */
const maxGrowth = 192 * 1024 * 1024;

/** A service under attack, and those who attack it. */
export interface Attacked extends AsyncDisposable {
  readonly service: AttackedService;
  /** A workload that may call the service, and is not to be trusted. */
  readonly insider: Attacker;
  /** A workload of the trust domain that may call nothing. */
  readonly stranger: Attacker;
  /** Nobody's workload: it has no certificate. */
  readonly outsider: Attacker;
  /** The insider's certificate, for clients that are not attackers. */
  readonly insiderTls: TlsMaterial;
  /**
   * Attacks while a good caller calls. Then the good caller was served throughout, the process lives and is the same one,
   * its memory is bounded, and the insider is let in when it calls as it should. Prints the figures, and gives them.
   */
  readonly survives: (name: string, attack: () => Promise<void>) => Promise<Figures>;
}

/** Starts a ping service with a PKI of its own, with the limits that every service has unless told otherwise. */
export async function startUnderAttack(options: Pick<AttackedOptions, "limits"> = {}): Promise<Attacked> {
  const ca = await createCa();
  const spiffeId = (name: string) => `spiffe://production.internal/${name}`;
  const grant = (client: string) => ({ spiffeId: spiffeId(client), client, scopes: ["read:test"] });
  const [ping, caller, insiderTls, strangerTls] = await Promise.all([
    ca.issue({ spiffeId: spiffeId("ping") }),
    ca.issue({ spiffeId: spiffeId("caller") }),
    ca.issue({ spiffeId: spiffeId("insider") }),
    ca.issue({ spiffeId: spiffeId("stranger") }),
  ]);
  const service = await startAttacked({ tls: ping, grants: [grant("caller"), grant("insider")], ...options });
  const { port } = service;
  const good = await startGoodCaller({ port, tls: caller });
  const target = { host: "127.0.0.1", port };
  const insider = attacker({ ...target, tls: insiderTls });
  const stranger = attacker({ ...target, tls: strangerTls });
  const outsider = attacker(target);

  async function survives(name: string, attack: () => Promise<void>): Promise<Figures> {
    await good.served();
    const before = await service.figures();
    const failure = await attack().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    // Whatever else went wrong, the end of the process would be why.
    const after = await service.figures();
    if (failure !== undefined) throw failure.error;
    expect(await insider.call(goodCall)).toMatchObject({ status: 0 });
    const served = await good.served();
    console.log(
      `${name}: memory ${megabytes(before.rss)}, at most ${megabytes(after.peakRss)}, then ${megabytes(after.rss)} MB;`,
      `longest stall ${Math.round(after.longestStallMs)} ms;`,
      `good caller: ${served.calls} calls, ${served.failures.length} failed, slowest ${Math.round(served.slowestMs)} ms`,
    );
    expect(served.failures).toEqual([]);
    expect(served.calls).toBeGreaterThan(0);
    expect(after.pid).toBe(before.pid);
    expect(after.peakRss - before.rss).toBeLessThan(maxGrowth);
    expect(after.inheritedNames).toEqual([]);
    return after;
  }

  return {
    service,
    insider,
    stranger,
    outsider,
    insiderTls,
    survives,
    async [Symbol.asyncDispose]() {
      for (const each of [insider, stranger, outsider]) each.close();
      await good[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    },
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
