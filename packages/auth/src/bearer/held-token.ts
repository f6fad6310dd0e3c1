import type { Answer } from "../with-answer.ts";
import type { IssuedToken } from "./token-request.ts";

/** The token of one certificate, kept while it is good. */
export interface HeldToken {
  /** @throws TokenUnavailable when there is none */
  token(): Answer<string>;
  /** Whether asking again brings another token than this one, which a server refused. */
  refused(token: string): boolean;
}

export interface HeldTokenOptions {
  readonly request: () => Promise<IssuedToken>;
  readonly now: () => number;
  readonly random: () => number;
}

/** There is no token to send, so the call is not made; the message says whom we asked, what came of it, and since when. */
export class TokenUnavailable extends Error {
  override readonly name = "TokenUnavailable";
}

/**
 * A token is renewed when somewhat between these parts of its life are over: so that a slow issuer is noticed while it is
 * still good, and so that a fleet that started together does not ask together.
 */
const renewFrom = 0.6;
const renewTo = 0.8;
/** What is left of a token's life when it is no longer sent: the way to the server takes time, and clocks differ. */
const marginMs = 5_000;
/** The same for tokens that live so short that this would be all of it. */
const marginPart = 0.1;

/** How long to leave an issuer alone that has just failed; twice as long with each further time, half of it by chance. */
const firstRetryMs = 1_000;
const maxRetryMs = 30_000;

/** A server that refuses every token makes us ask for another one this often. */
const refusedAgainMs = 30_000;

/** Holds no token yet, and asks once however many calls are waiting for it. */
export function heldToken({ request, now, random }: HeldTokenOptions): HeldToken {
  let held: (IssuedToken & { readonly renewAtMs: number; readonly goodUntilMs: number }) | undefined;
  let former: string | undefined;
  let inFlight: Promise<string> | undefined;
  let failure: { readonly cause: unknown; readonly sinceMs: number; readonly times: number } | undefined;
  let nextTryMs = 0;
  let nextRefusalMs = 0;

  /** Whether a time is to come. One that lies further ahead than it ever did has passed: the clock was set back. */
  function isAhead(atMs: number, atMostMs: number): boolean {
    const leftMs = atMs - now();
    return leftMs > 0 && leftMs <= atMostMs;
  }

  async function fetchToken(): Promise<string> {
    const askedMs = now();
    try {
      const { token, lifeMs } = await request();
      const renewAtMs = askedMs + lifeMs * (renewFrom + (renewTo - renewFrom) * random());
      former = held?.token ?? former;
      if (former === token) former = undefined; // an issuer may have only this one to give
      const goodUntilMs = askedMs + lifeMs - Math.min(marginMs, lifeMs * marginPart);
      held = { token, lifeMs, renewAtMs, goodUntilMs };
      failure = undefined;
      return token;
    } catch (cause) {
      const { sinceMs = askedMs, times = 0 } = failure ?? {};
      failure = { cause, sinceMs, times: times + 1 };
      nextTryMs = now() + Math.min(maxRetryMs, firstRetryMs * 2 ** times) * (0.5 + 0.5 * random());
      throw unavailable();
    }
  }

  function unavailable(): TokenUnavailable {
    const { cause, sinceMs = 0 } = failure ?? {};
    const why = cause instanceof Error ? cause.message.replace(/\.$/, "") : "There is no token";
    return new TokenUnavailable(`${why}, since ${new Date(sinceMs).toISOString()}.`, { cause });
  }

  function refresh(): Promise<string> {
    inFlight ??= fetchToken().finally(() => {
      inFlight = undefined;
    });
    return inFlight;
  }

  return {
    token() {
      const mayTry = failure === undefined || !isAhead(nextTryMs, maxRetryMs);
      if (held === undefined || !isAhead(held.goodUntilMs, held.lifeMs)) {
        return !mayTry && inFlight === undefined ? Promise.reject(unavailable()) : refresh();
      }
      // A token that is good is used while the next one is fetched: an issuer that is down or slow stops nobody yet.
      if (mayTry && !isAhead(held.renewAtMs, held.lifeMs)) refresh().catch(() => undefined);
      return held.token;
    },
    refused(token) {
      if (token === former) return true;
      // Kept where no other could be had: one server that is wrong about it must not stop the calls to the rest.
      if (token !== held?.token || failure !== undefined || isAhead(nextRefusalMs, refusedAgainMs)) return false;
      nextRefusalMs = now() + refusedAgainMs;
      former = token;
      held = undefined;
      return true;
    },
  };
}
