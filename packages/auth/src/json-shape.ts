/** A file that is JSON and not what it should be; the message says where. */
export class JsonShapeError extends Error {
  override readonly name = "JsonShapeError";
}

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function object(value: unknown, where: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new JsonShapeError(`${where} is not an object`);
  }
  return value as JsonObject;
}

/** Refuses keys that mean nothing: a mistyped `"scope"` must not pass as "no scopes". */
export function onlyKeys(value: JsonObject, keys: readonly string[], where: string): void {
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) throw new JsonShapeError(`${where} has an unknown key ${JSON.stringify(key)}`);
  }
}

export function list(value: JsonObject, key: string, where: string): readonly unknown[] {
  const found = value[key];
  if (!Array.isArray(found)) throw new JsonShapeError(`${where} has no list ${JSON.stringify(key)}`);
  return found;
}

export function text(value: JsonObject, key: string, where: string, grammar: RegExp = /^.+$/s): string {
  const found = value[key];
  if (typeof found !== "string") throw new JsonShapeError(`${where} has no text ${JSON.stringify(key)}`);
  if (!grammar.test(found)) throw new JsonShapeError(`${where} has a ${JSON.stringify(key)} that is not of its form`);
  return found;
}

export function texts(value: JsonObject, key: string, where: string): readonly string[] {
  const found = list(value, key, where);
  if (!found.every((item) => typeof item === "string" && item !== "")) {
    throw new JsonShapeError(`${where} has something else than texts in ${JSON.stringify(key)}`);
  }
  return found as readonly string[];
}

/** A point in time as milliseconds since 1970; undefined where the key is absent. */
export function time(value: JsonObject, key: string, where: string): number | undefined {
  if (value[key] === undefined) return undefined;
  const written = text(value, key, where, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/);
  const at = Date.parse(written);
  // `Date` takes the 30th of February for the 2nd of March.
  if (Number.isNaN(at) || !new Date(at).toISOString().startsWith(written.slice(0, 19)))
    throw new JsonShapeError(`${where} has a ${JSON.stringify(key)} that is no time`);
  return at;
}
