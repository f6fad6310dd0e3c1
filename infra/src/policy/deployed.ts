import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Credential } from "@zero-trust/auth";
import { type Grants, parseGrants } from "@zero-trust/auth/server";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import { apiKeyFileAt } from "../keys/api-keys.ts";
import { clientsFileAt } from "../keys/client-entry.ts";
import { type KeyFile, readEntries } from "../keys/key-file.ts";
import { signingKeysAt } from "../keys/signing-key-file.ts";
import { stateOf } from "../keys/standing.ts";
import { tokensOf } from "./declared.ts";
import type { Holders, Holding } from "./holders.ts";
import { services } from "./services.ts";

/**
 * Reads who holds what in a deployment: `order/` and `payment/` with `grants.json`, `api-keys.json` and `signing-keys.json`,
 * and `issuer/clients.json`. A service that takes no keys of a kind has no such file.
 *
 * @param folder - of the deployment
 * @throws {CommandError} for a file that no service would take
 */
export async function deployedState(folder: string, nowMs: number): Promise<Holders> {
  if (!existsSync(folder)) throw new CommandError(`There is no deployment in ${folder}: it does not exist.`);
  const grants = (name: string) => readGrants(join(folder, name, "grants.json"));
  const ofServices = services.flatMap(({ name }) => {
    const path = (file: string) => join(folder, name, file);
    const place = { path: path("signing-keys.json"), keyEncryptionKeyPath: path("key-encryption-key") };
    return [
      ...ifThere(apiKeyFileAt(path("api-keys.json"))).map((key) =>
        holding(Credential.API_KEY, key, key.secrets, nowMs),
      ),
      ...ifThere(signingKeysAt(place)).map((key) => holding(Credential.HMAC, key, [{}], nowMs)),
    ];
  });
  const clients = ifThere(await clientsFileAt(join(folder, "issuer/clients.json")));
  const tokens = clients.flatMap((client) => {
    const state = stateOf(client, client.secrets ?? client.keys ?? [{}], nowMs);
    return tokensOf(client).map((token) => ({ ...token, ...endedBy(state) }));
  });
  return { grants: { order: grants("order"), payment: grants("payment") }, holdings: [...ofServices, ...tokens] };
}

interface KeyEntry {
  readonly id: string;
  readonly client: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly workloads?: readonly string[];
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

function holding(
  credential: typeof Credential.API_KEY | typeof Credential.HMAC,
  entry: KeyEntry,
  secrets: readonly { readonly expiresAt?: string }[],
  nowMs: number,
): Holding {
  const { id, client, audience, scopes, workloads } = entry;
  return {
    id,
    client,
    audience,
    credential,
    scopes: new Set(scopes),
    ...(workloads === undefined ? {} : { workloads: new Set(workloads) }),
    ...endedBy(stateOf(entry, secrets, nowMs)),
  };
}

function endedBy(state: ReturnType<typeof stateOf>): { readonly ended?: string } {
  return state === "revoked" || state === "expired" ? { ended: state } : {};
}

function ifThere<Entry>(file: KeyFile<Entry>): readonly Entry[] {
  return existsSync(file.path) ? readEntries(file) : [];
}

function readGrants(path: string): Grants {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new CommandError(`The grants ${path} cannot be read: ${systemReason(cause)}.`, { cause });
  }
  try {
    return parseGrants(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof SyntaxError || !(cause instanceof Error) ? "it is not JSON" : cause.message;
    throw new CommandError(`The grants ${path} are no good: ${why}.`, { cause });
  }
}
