import type { Deployment } from "@zero-trust/infra/deployment";
import type { LogRecord } from "@zero-trust/infra/service-process";
import type { Effects } from "./relay/count-effects.ts";
import type { EffectFiles, RelayMode, RelayState } from "./relay/protocol.ts";

export type ServiceName = "issuer" | "payment" | "order";
export const serviceNames: readonly ServiceName[] = ["issuer", "payment", "order"];

/** Resident memory of a process, in bytes. */
export interface Memory {
  readonly now: number;
  /** The most that it was since it was asked for last; no more than now where the system does not tell. */
  readonly peak: number;
}

/** One service of a stack, as a process or in a container. */
export interface StackService {
  /** Where it is reached from here, on 127.0.0.1; the same over all its starts. */
  readonly port: number;
  /** Where it is reached from the relays, `host:port`. */
  readonly address: string;
  /** What it has logged, over all its starts. */
  log(): Promise<readonly LogRecord[]>;
  /** Every line that it has written, over all its starts, to standard output and standard error, as it is. */
  said(): Promise<readonly string[]>;
  /** What tells one start from another; undefined while it does not run. */
  startedAs(): Promise<string | undefined>;
  /** Asks it to stop (SIGTERM), or ends it at once (SIGKILL), and waits until it is gone. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again where it was, after it has been stopped, and waits until it listens. */
  restart(): Promise<void>;
  /** Lets it do nothing at all, with its connections open, until it is resumed. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  memory(): Promise<Memory>;
  /** The files that it has written, databases and their write-ahead logs, by name. */
  data(): Promise<ReadonlyMap<string, Buffer>>;
}

/** What stands between a service and the others: it passes everything on unless told otherwise. */
export interface Relay {
  /** Changes what it does with connections; those that are there are cut. */
  become(mode: RelayMode): Promise<void>;
  /** What has come to it so far. */
  state(): Promise<RelayState>;
}

/** Issuer, payment and order of one deployment: the same for both drivers, and for one of each or several. */
export interface Deployed extends AsyncDisposable {
  readonly driver: "processes" | "containers";
  readonly deployment: Deployment;
  readonly issuer: StackService;
  readonly payment: StackService;
  readonly order: StackService;
  /** Gives the services what has changed in the deployment's folder since it was published last, removals too. */
  publish(): Promise<void>;
  /** What has happened, by the services' own files. */
  effects(): Promise<Effects>;
  /** Runs a statement in a database, behind the back of the service that has it open. */
  alter(database: keyof EffectFiles, statement: string): Promise<void>;
}

/** One of each, with files for databases, and what is between them. */
export interface Stack extends Deployed {
  /** Between order and payment, and the issuer; and between order and payment. */
  readonly relays: { readonly issuer: Relay; readonly payment: Relay };
}

/** What differs from one stack to another, whichever driver. */
export interface StackSettings {
  /** More variables of a service. */
  readonly environmentOf?: (service: ServiceName) => Readonly<Record<string, string>>;
}
