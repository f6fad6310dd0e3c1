import type { ServiceDefinition } from "@grpc/grpc-js";

/** A message of any of the methods, before it is written and after it was read. */
export interface Fields {
  readonly text?: string;
  readonly count?: number;
  readonly value?: number;
  readonly index?: number;
  readonly client?: string;
  readonly sum?: unknown;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Somebody's way to write and read messages, and what it makes of a service for grpc-js. */
export interface Generator {
  readonly name: string;
  /** PingService of the testkit. */
  readonly ping: ServiceDefinition;
  /** One unary method, `Label`, whose request is a map. */
  readonly labels: ServiceDefinition;
  /** Requests as this generator's own code would never write them. */
  readonly unusual: readonly UnusualRequest[];
}

/** Bytes that mean a message, and become others when it is written again. */
export interface UnusualRequest {
  readonly what: string;
  readonly path: string;
  readonly bytes: Buffer;
  /** What the handler is to read. */
  readonly means: Fields;
}

export const pingManyPath = "/zerotrust.testkit.v1.PingService/PingMany";
export const labelPath = "/zerotrust.labels.v1.LabelService/Label";
