import { httpsOrigin, port, readConfig, text, trustDomain } from "@zero-trust/server";
import { z } from "zod";

/** What the issuer needs to know from its environment. */
export interface IssuerConfig {
  readonly host: string;
  readonly port: number;
  /** Directory with `tls.crt`, `tls.key` and `ca.crt`. */
  readonly tlsDirectory: string;
  readonly trustDomain: string;
  /** The issuer identifier (RFC 8414, section 2): who the tokens say they are from. */
  readonly issuer: string;
  readonly clientsFile: string;
  readonly signingJwksFile: string;
}

const schema = z
  .object({
    ZT_HOST: text.default("127.0.0.1"),
    ZT_PORT: port,
    ZT_TLS_DIR: text,
    ZT_TRUST_DOMAIN: trustDomain.default("production.internal"),
    ZT_ISSUER: httpsOrigin.default("https://issuer.production.internal"),
    ZT_CLIENTS_FILE: text,
    ZT_SIGNING_JWKS_FILE: text,
  })
  .transform(
    (variables): IssuerConfig => ({
      host: variables.ZT_HOST,
      port: variables.ZT_PORT,
      tlsDirectory: variables.ZT_TLS_DIR,
      trustDomain: variables.ZT_TRUST_DOMAIN,
      issuer: variables.ZT_ISSUER,
      clientsFile: variables.ZT_CLIENTS_FILE,
      signingJwksFile: variables.ZT_SIGNING_JWKS_FILE,
    }),
  );

/** Reads the issuer's configuration; throws ConfigError that names the variable. */
export function readIssuerConfig(environment: NodeJS.ProcessEnv = process.env): IssuerConfig {
  return readConfig(schema, environment);
}
