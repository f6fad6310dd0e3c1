import { z } from "zod";
import { port, readConfig, text } from "./config.ts";

/** Where a probe finds the service that it runs beside. */
export interface ProbedService {
  readonly address: { readonly host: string; readonly port: number };
  /** Directory with the service's `tls.crt`, `tls.key` and `ca.crt`. */
  readonly tlsDirectory: string;
}

const schema = z.object({
  ZT_HOST: text.default("127.0.0.1"),
  ZT_PORT: port.refine((number) => number > 0, "must be the port that the service listens on"),
  ZT_TLS_DIR: text,
});
const loopback: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** Reads it from the service's own environment; throws ConfigError that names the variable. */
export function probedService(environment: NodeJS.ProcessEnv): ProbedService {
  const { ZT_HOST, ZT_PORT, ZT_TLS_DIR } = readConfig(schema, environment);
  return { address: { host: loopback[ZT_HOST] ?? ZT_HOST, port: ZT_PORT }, tlsDirectory: ZT_TLS_DIR };
}
