import { randomBytes, randomInt } from "node:crypto";
import { Credential } from "@zero-trust/auth";
import { newApiKey, parseApiKeys } from "@zero-trust/auth/issue";
import { apiKey } from "@zero-trust/auth/server";
import { weighed } from "../../../scaling/collected.ts";
import { deciding } from "../deciding.ts";
import { presentedPeers } from "../presented-peer.ts";
import type { Subject } from "../subject.ts";

/** So many of them are shown, from all over the records: more than a processor's cache has room for. */
const SHOWN = 50_000;
const DECISIONS = 2_000;
const audience = "https://payment.production.internal";

/** The records of a file of API keys, in memory as `apiKeyFile` has them; larger than the file may be. */
export const apiKeys: Subject = {
  what: "API keys in memory",
  sizes: [1, 100, 10_000, 100_000, 1_000_000],
  quickSize: 10_000,
  works: { decision: { what: "decision of a call with an API key", times: DECISIONS } },
  async grow(size) {
    const every = Math.ceil(size / SHOWN);
    const shown: string[] = [];
    const entries = Array.from({ length: size }, (_, index) => {
      const { id, sha256 } = index % every === 0 ? show() : nobodys();
      return JSON.stringify({ id, client: `client-${index}`, audience, scopes: ["read:test"], secrets: [{ sha256 }] });
    });
    function show() {
      const { key, ...record } = newApiKey("live");
      shown.push(key.expose());
      return record;
    }
    const { made: records, bytes } = await weighed(() =>
      parseApiKeys({ keys: entries.map((entry) => JSON.parse(entry) as unknown) }),
    );
    const path = "/growth.v1.Growth/Read";
    const rules = [{ credentials: [Credential.API_KEY], scopes: ["read:test"] }];
    const decide = deciding({
      policies: [[{ path, requestStream: false, hasSideEffects: false, rules }]],
      credentials: [apiKey({ audience, keys: { find: (id) => records.get(id) } })],
      now: Date.now,
    });
    const [peer] = await presentedPeers(1);
    if (peer === undefined) throw new Error("There is no peer.");
    return {
      bytes,
      works: {
        decision: () => decide({ path, peer, metadata: { "x-api-key": shown[randomInt(shown.length)] ?? "" } }),
      },
    };
  },
};

/** A record of a key that is never shown. */
function nobodys() {
  const random = randomBytes(38).toString("hex");
  return { id: random.slice(0, 12), sha256: random.slice(12) };
}
