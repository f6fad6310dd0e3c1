import { isDeepStrictEqual } from "node:util";
import type { DescMethod } from "@bufbuild/protobuf";
import type { LogRecord } from "@zero-trust/infra/service-process";
import { expect, vi } from "vitest";
import type { Expected } from "../catalogue/row.ts";
import type { Effects } from "../stack/relay/count-effects.ts";
import type { Deployed, ServiceName, Stack } from "../stack/stack.ts";
import { type Call, callOn, type Outcome, openCallOn, type RunningCall } from "./call.ts";
import type { Observe } from "./observation.ts";

/** An attack that has to be refused. */
export interface Denial {
  /** What is shown or done, in words for the report. */
  readonly what: string;
  readonly expected: Expected;
  /** The service that refuses it, and whose log has it. */
  readonly by: ServiceName;
  readonly attack: () => Promise<Pick<Outcome, "status">>;
  /** The same call done right: it is let in, after the attack. */
  readonly control: () => Promise<Pick<Outcome, "status">>;
  /** What else the record of the refusal says. */
  readonly record?: Readonly<Record<string, unknown>>;
}

/** How long a service may take to write what it has seen, or to be done with what it was given, in milliseconds. */
const patience = { timeout: 20_000, interval: 20 };

/** How long orders may take to be paid: a scenario may place hundreds. */
const settling = { timeout: 90_000, interval: 20 };

/** One run of a scenario: makes calls, and sees to it that each denial is one in every respect. */
export class Trial<S extends Deployed = Stack> {
  readonly stack: S;
  readonly observe: Observe;
  readonly #restarted: Set<string>;

  constructor(stack: S, observe: Observe, restarted: Set<string> = new Set<string>()) {
    this.stack = stack;
    this.observe = observe;
    this.#restarted = restarted;
  }

  /** The same scenario, where another one of several is called and its log is read. */
  on(other: Partial<Pick<S, ServiceName>>): Trial<S> {
    return new Trial({ ...this.stack, ...other }, this.observe, this.#restarted);
  }

  /** Makes a call as whoever, over a connection of its own. */
  call<M extends DescMethod>(method: M, call?: Call<M>): Promise<Outcome<M>> {
    return callOn(this.stack, method, call);
  }

  /** Begins one, and leaves it open. */
  open<M extends DescMethod>(method: M, call?: Call<M>): RunningCall<M> {
    return openCallOn(this.stack, method, call);
  }

  /**
   * Makes an attack and sees that it is refused as expected, that the log of the service has it, that nothing has happened: no
   * order, payment or charge; and that the same call done right is let in.
   */
  async denied({ what, expected, by, attack, control, record = {} }: Denial): Promise<void> {
    const before = await this.settled();
    const records = await this.recordsSince(by);
    const { status } = await attack();
    // A caller cannot tell a handshake that failed from a server that is down: the server's own log can.
    this.observe(what, expected, expected === "T" && status === "UNAVAILABLE" ? "T" : status);
    const refused =
      expected === "T" || expected === "closed"
        ? { log: "connection", msg: "handshake refused" }
        : { log: "decision", outcome: "refused", ...reasonIn(expected) };
    const logged = async () => (await records()).some((each) => matches(each, { ...refused, ...record }));
    await expect.poll(logged, { ...patience, message: `${what}: the log of ${by} has it` }).toBe(true);
    expect(await this.settled(), `${what}: nothing happened`).toEqual(before);
    this.observe(`${what}: the same done right`, "OK", (await control()).status);
  }

  /** Waits until every order that was placed is paid or declined, and counts what has happened. */
  async settled(): Promise<Effects> {
    return await vi.waitUntil(async () => {
      const effects = await this.stack.effects();
      return effects.pending === 0 && effects;
    }, settling);
  }

  /** What a service logs from now on, but for the questions for its health, which a container asks whatever else goes on. */
  async recordsSince(service: ServiceName): Promise<() => Promise<readonly LogRecord[]>> {
    const { length } = await this.stack[service].log();
    const isOfCaller = ({ method }: LogRecord) => method !== "/grpc.health.v1.Health/Check";
    return async () => (await this.stack[service].log()).slice(length).filter(isOfCaller);
  }

  /** Says that the scenario ends a service and starts it again. */
  restarts(...services: readonly ServiceName[]): void {
    for (const service of services) this.#restarted.add(service);
  }

  /** Sees that all services still run, and that those are the same that nobody has restarted. */
  async livesOn(
    before: ReadonlyMap<string, string | undefined>,
    after: ReadonlyMap<string, string | undefined>,
  ): Promise<void> {
    for (const [service, start] of after) {
      expect(start, `${service} runs`).toBeDefined();
      if (!this.#restarted.has(service)) expect(start, `${service} is the same process`).toBe(before.get(service));
    }
  }
}

/** `{ reason: "CREDENTIAL_INVALID" }` of `UNAUTHENTICATED CREDENTIAL_INVALID`. */
function reasonIn(expected: Expected): { readonly reason?: string } {
  const [, reason] = expected.split(" ");
  return reason === undefined ? {} : { reason };
}

function matches(record: LogRecord, wanted: LogRecord): boolean {
  return Object.entries(wanted).every(([name, value]) => isDeepStrictEqual(record[name], value));
}
