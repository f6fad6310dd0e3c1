import { apiKeys } from "./catalogue/api-keys.ts";
import { bearerTokens } from "./catalogue/bearer-tokens.ts";
import { issuerAndKeys } from "./catalogue/issuer-and-keys.ts";
import { mutualTls } from "./catalogue/mutual-tls.ts";
import { protocol } from "./catalogue/protocol.ts";
import type { Group, Row } from "./catalogue/row.ts";
import { signatures } from "./catalogue/signatures.ts";

/** What must be shut, and what must survive: every attack and fault that this repository knows, by method and kind. */
export const catalogue: readonly Group[] = [mutualTls, apiKeys, bearerTokens, issuerAndKeys, signatures, protocol];

/** The row with an id. */
export function rowOf(id: string): Row {
  const found = catalogue.flatMap(({ rows }) => rows).find((row) => row.id === id);
  if (found === undefined) throw new Error(`The catalogue has no row ${id}.`);
  return found;
}
