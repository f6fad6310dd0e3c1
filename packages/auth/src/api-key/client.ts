import { Credential } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import type { Presenter } from "../presenter.ts";
import { exposed, type Secret } from "../secret.ts";
import { parseApiKey } from "./format.ts";

/** What the client side of API keys needs. */
export interface ApiKeyOptions {
  /** `sk-live-…`; or a function that is asked for it at each attempt, so that it can be rotated. */
  readonly key: string | Secret | (() => string | Secret);
}

/**
 * Presents an API key in `x-api-key`.
 *
 * @param options - the key
 * @throws TypeError when the key is malformed; it is not repeated
 * @example
 * ```ts
 * import { readFileSync } from "node:fs";
 * import { type AuthenticatedChannels, apiKey, connect } from "@zero-trust/auth/client";
 * import type { MutualTlsChannels } from "@zero-trust/mtls";
 *
 * export function withKey(channels: MutualTlsChannels): AuthenticatedChannels {
 *   const key = readFileSync("/run/secrets/api-key", "ascii").trim();
 *   return connect({ channels, credentials: [apiKey({ key })] });
 * }
 * ```
 */
export function apiKey({ key }: ApiKeyOptions): Presenter {
  let last: { readonly key: string; readonly values: { readonly "x-api-key": string } } | undefined;
  const present = () => {
    const keyOfNow = exposed(typeof key === "function" ? key() : key);
    if (last?.key !== keyOfNow) last = { key: keyOfNow, values: Object.freeze({ "x-api-key": checked(keyOfNow) }) };
    return last.values;
  };
  present();
  return { credential: Credential.API_KEY, metadataKeys: ["x-api-key"], present };
}

function checked(key: string): string {
  if (parseApiKey(key) === undefined) throw new TypeError("The API key is malformed: was it copied whole?");
  return key;
}
