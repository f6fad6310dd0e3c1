import { parseSpiffeId } from "@zero-trust/mtls";
import { clientId } from "./client-id.ts";
import type { Grant } from "./decision.ts";
import { type JsonObject, JsonShapeError, list, object, onlyKeys, text, texts } from "./json-shape.ts";

/** Which SPIFFE ID is which client and holds which scopes. */
export type Grants = ReadonlyMap<string, Grant>;

/** Where `protect()` looks grants up; a source that reloads returns its last good version. */
export interface GrantSource {
  current(): Grants;
}

/**
 * Reads a grants file: `{"grants": [{"spiffeId": "spiffe://…", "client": "order-service", "scopes": ["…"]}]}`.
 *
 * @param json - the parsed file
 * @throws JsonShapeError naming the entry that is wrong
 */
export function parseGrants(json: unknown): Grants {
  const file = object(json, "the grants file");
  onlyKeys(file, ["grants"], "the grants file");
  const grants = new Map<string, Grant>();
  for (const [index, entry] of list(file, "grants", "the grants file").entries()) {
    const where = `grants[${index}]`;
    const item: JsonObject = object(entry, where);
    onlyKeys(item, ["spiffeId", "client", "scopes"], where);
    const spiffeId = parseSpiffeId(text(item, "spiffeId", where)).uri;
    if (grants.has(spiffeId)) throw new JsonShapeError(`${where} is a second entry for ${spiffeId}`);
    const client = text(item, "client", where, clientId);
    grants.set(spiffeId, { client, scopes: new Set(texts(item, "scopes", where)) });
  }
  return grants;
}
