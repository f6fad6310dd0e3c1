import type { RevocableToken, TokenRevocations } from "./token-revocations.ts";

/**
 * Asks two sources, of which either may be gone: a token is revoked if one of them says so, and good if one knows it and none
 * says otherwise. So a list that is polled carries on, with the delay that it has, where a quicker source cannot be asked.
 *
 * @param list - asked first; what it knows to be revoked needs no second answer
 * @param quicker - the other
 * @example
 * ```ts
 * import { anyRevocations, type TokenRevocations } from "@zero-trust/auth/server";
 * import { type ValkeyClient, valkeyRevocations } from "@zero-trust/auth/stores/valkey";
 *
 * export const within = (list: TokenRevocations, client: ValkeyClient) =>
 *   anyRevocations(list, valkeyRevocations({ client }));
 * ```
 */
export function anyRevocations(list: TokenRevocations, quicker: TokenRevocations): TokenRevocations {
  async function isRevoked(token: RevocableToken): Promise<boolean> {
    let [isKnown, reason]: [boolean, unknown] = [false, undefined];
    for (const source of [list, quicker]) {
      try {
        const answer = await source.isRevoked(token);
        // What is neither yes nor no is for whoever asked to see.
        if (answer !== false) return answer;
        isKnown = true;
      } catch (error) {
        reason = error;
      }
    }
    if (!isKnown) throw reason;
    return false;
  }
  return {
    isRevoked,
    isReady: () => list.isReady() || quicker.isReady(),
    close() {
      list.close();
      quicker.close();
    },
  };
}
