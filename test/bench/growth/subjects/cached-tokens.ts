import { Credential } from "@zero-trust/auth";
import { bearer, type KeySet } from "@zero-trust/auth/server";
import { nameOf, publishedKeys } from "@zero-trust/auth/signatures";
import { createTokenIssuer } from "@zero-trust/testkit";
import { weighed } from "../../../scaling/collected.ts";
import { deciding } from "../deciding.ts";
import { presentedPeers } from "../presented-peer.ts";
import type { Subject } from "../subject.ts";

const DECISIONS = 2_000;
/** Each takes a signature to make and one to verify. */
const NEW_TOKENS = 400;
const issuer = "https://issuer.production.internal";
const audience = "https://payment.production.internal";

/** As many as there is room for, so that each new one makes another be forgotten. */
export const cachedTokens: Subject = {
  what: "tokens remembered, and no room for more",
  sizes: [1, 100, 1_000, 10_000, 100_000],
  quickSize: 10_000,
  works: {
    seen: { what: "decision of a call with a token seen before", times: DECISIONS },
    new: { what: "decision of a call with a new token", times: NEW_TOKENS },
  },
  async grow(size) {
    // It stands still: none of them is to expire while the others are shown.
    const nowMs = Date.now();
    const iat = Math.floor(nowMs / 1_000);
    const tokens = await createTokenIssuer({ issuer });
    const { keys } = await publishedKeys(tokens.jwks, undefined);
    const published: KeySet = {
      find: async (kid, alg) => keys.get(nameOf({ kid, alg })),
      holds: (key) => keys.get(nameOf(key)) === key,
      isReady: () => true,
      close: () => undefined,
    };
    const path = "/growth.v1.Growth/Read";
    const rules = [{ credentials: [Credential.BEARER], scopes: ["read:test"] }];
    const decide = deciding({
      policies: [[{ path, requestStream: false, hasSideEffects: false, rules }]],
      credentials: [bearer({ issuer, audience, keys: published, maxCachedTokens: size })],
      now: () => nowMs,
    });
    const [peer] = await presentedPeers(1);
    if (peer === undefined) throw new Error("There is no peer.");
    const sign = () => {
      const bound = { "x5t#S256": peer.thumbprint };
      const whose = { sub: "storefront", client_id: "storefront", scope: "read:test", cnf: bound };
      return tokens.sign({ ...whose, aud: audience, iat, exp: iat + 300 });
    };
    const show = (token: string | undefined) => decide({ path, peer, metadata: { authorization: `Bearer ${token}` } });
    /** Those that are remembered, from the one that was shown longest ago. */
    const seen: string[] = [];
    for (let index = 0; index < size; index += 1) seen.push(await sign());
    const { bytes } = await weighed(async () => {
      for (const token of seen) await show(token);
    });
    const fresh: string[] = [];
    let at = 0;
    /** In turn, each as often as the others: what comes next is what was shown longest ago. */
    const next = () => {
      at = (at + 1) % size;
      return at;
    };
    return {
      bytes,
      works: {
        seen: () => show(seen[next()]),
        async new() {
          const token = fresh.pop() ?? "";
          seen[next()] = token;
          await show(token);
        },
      },
      async restore() {
        while (fresh.length < NEW_TOKENS) fresh.push(await sign());
      },
    };
  },
};
