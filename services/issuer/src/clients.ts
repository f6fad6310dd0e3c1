import { parseSpiffeId } from "@zero-trust/mtls";
import { z } from "zod";
import { readJsonFile } from "./json-file.ts";

/** A client that may ask for tokens, and for which. */
export interface RegisteredClient {
  readonly clientId: string;
  /** The workload that it is; one client a workload, so that a certificate says which client may be meant. */
  readonly spiffeId: string;
  readonly authentication: "tls_client_auth" | "client_secret_basic";
  /** SHA-256 of the client's secret, 64 hex digits; the secret is random, so that it needs no salt and no stretching. */
  readonly secretSha256: string | undefined;
  /** The scopes that the client may have, by audience. */
  readonly audiences: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The clients, by SPIFFE ID. */
export type Clients = ReadonlyMap<string, RegisteredClient>;

/** RFC 6749, section 3.3. */
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/u, "must be a scope, such as read:orders");

const audience = z
  .string()
  .refine(
    (value) => URL.canParse(value) && new URL(value).origin === value,
    "must be keyed by the audience's URL without a path",
  );

const shared = {
  clientId: z.string("must be a text").regex(/^[a-z0-9][a-z0-9-]{0,62}$/u, "must be 1 to 63 of a-z, 0-9 and -"),
  spiffeId: z.string("must be a SPIFFE ID").refine(isSpiffeId, {
    error: "must be a SPIFFE ID, such as spiffe://production.internal/order-service",
    abort: true,
  }),
  audiences: z.record(audience, z.array(scope).nonempty("must have a scope"), "must map an audience to its scopes"),
};

const client = z.discriminatedUnion(
  "authentication",
  [
    z.strictObject({ ...shared, authentication: z.literal("tls_client_auth") }),
    z.strictObject({
      ...shared,
      authentication: z.literal("client_secret_basic"),
      secretSha256: z.string("must be 64 hex digits").regex(/^[0-9a-f]{64}$/u, "must be 64 hex digits"),
    }),
  ],
  "must be tls_client_auth or client_secret_basic",
);

/**
 * Reads the clients file (`{ "clients": [ … ] }`); throws ConfigError for a file that is missing or wrong, also when
 * two clients share an id or a workload, or a workload is not of the trust domain.
 */
export function readClients(path: string, options: { readonly trustDomain: string }): Clients {
  const schema = z.strictObject({ clients: z.array(client, "must be a list") }).superRefine(({ clients }, context) => {
    const seen = new Set<string>();
    for (const [index, { clientId, spiffeId }] of clients.entries()) {
      const refuse = (field: string, message: string) =>
        context.addIssue({ code: "custom", path: ["clients", index, field], message });
      if (seen.has(clientId)) refuse("clientId", "is another client's");
      if (seen.has(spiffeId)) refuse("spiffeId", "is another client's");
      if (parseSpiffeId(spiffeId).trustDomain !== options.trustDomain)
        refuse("spiffeId", `must be of the trust domain ${options.trustDomain}`);
      seen.add(clientId).add(spiffeId);
    }
  });
  const { clients } = readJsonFile({ path, what: "clients file", variable: "ZT_CLIENTS_FILE" }, schema);
  return new Map(
    clients.map((each) => [
      each.spiffeId,
      {
        clientId: each.clientId,
        spiffeId: each.spiffeId,
        authentication: each.authentication,
        secretSha256: each.authentication === "client_secret_basic" ? each.secretSha256 : undefined,
        audiences: new Map(Object.entries(each.audiences).map(([name, scopes]) => [name, new Set(scopes)])),
      },
    ]),
  );
}

function isSpiffeId(value: string): boolean {
  try {
    parseSpiffeId(value);
    return true;
  } catch {
    return false;
  }
}
