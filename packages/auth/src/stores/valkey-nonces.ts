import { type NonceStore, type NonceUse, type NonceVerdict, type NonceWindow, windowOf } from "../hmac/nonces.ts";
import { type ValkeyClient, valkeyScript } from "./valkey-client.ts";
import { ValkeyUnavailable } from "./valkey-connection.ts";
import { memoryOf } from "./valkey-memory.ts";

/** Where nonces are remembered, and for how long. */
export interface ValkeyNonceOptions extends NonceWindow {
  readonly client: ValkeyClient;
  /** So that one client cannot fill the store for the others. @defaultValue 250 000, 830 signed calls a second */
  readonly maxNoncesPerKey?: number;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** Nonces that all processes of a service remember together. */
export interface ValkeyNonceStore extends NonceStore {
  readonly window: Required<NonceWindow>;
  claim(use: NonceUse): Promise<NonceVerdict>;
  /** Whether Valkey answers, and has been there for every timestamp that is now in the window. */
  isReady(): boolean;
  /** Stops telling Valkey that we are here. */
  close(): void;
}

/** How far a process's clock may be from Valkey's, in seconds, as from any other: one that is further away is told so. */
const CLOCK_DIFFERENCE_SECONDS = 5;
/**
 * How long the mark lives that says since when all nonces are known, in seconds. Nonces outlive their window by as much: should
 * Valkey's clock jump so far ahead that one of them is forgotten too early, the mark is gone with it.
 */
const MARK_SECONDS = 60;
/** How often the mark is renewed, in milliseconds. */
const RENEW_MS = 500;
/** When the mark was not renewed for so long, somebody else had better answer. */
const STALE_MS = 2_000;
/** As in memory: few enough to add up, many enough to give room back in steps. */
const SLICES = 16;

/** In the keys of every store of ours, which is what a user of Valkey's is given access to. */
const PREFIX = "zt:nonce:";
const MARK = `${PREFIX}since`;

const renewScript = valkeyScript(`${memoryOf}
local now, difference, future, life = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = tonumber(redis.call('TIME')[1])
if not (math.abs(time - now) <= difference) then return {'clock', time} end
local here = memory()
local of, horizon = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%d+)$')
if of ~= here then horizon = string.format('%d', time + difference + future) end
redis.call('SET', KEYS[1], here .. ' ' .. horizon, 'EX', life)
return {'since', tonumber(horizon)}
`);

const claimScript = valkeyScript(`${memoryOf}
local timestamp, now, difference = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local past, life, quota, slice = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local time = tonumber(redis.call('TIME')[1])
if not (math.abs(time - now) <= difference) then return 'clock' end
local of, horizon = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%d+)$')
if of ~= memory() or not (timestamp > tonumber(horizon)) or not (timestamp >= now - past) then return 'early' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'replayed' end
local counts, used, over = redis.call('HGETALL', KEYS[3]), 0, {}
for i = 1, #counts, 2 do
  if (tonumber(counts[i]) + 1) * slice + life < time then over[#over + 1] = counts[i] else used = used + counts[i + 1] end
end
if used >= quota then return 'quota' end
redis.call('SET', KEYS[2], '', 'NX', 'EX', string.format('%d', timestamp + life - time))
if #over > 0 then redis.call('HDEL', KEYS[3], unpack(over)) end
redis.call('HINCRBY', KEYS[3], string.format('%d', math.floor(timestamp / slice)), 1)
redis.call('EXPIRE', KEYS[3], string.format('%d', timestamp + life + slice - time))
return 'new'
`);

const verdicts: ReadonlySet<unknown> = new Set<NonceVerdict>(["new", "replayed", "early", "quota"]);

/**
 * Remembers nonces in Valkey, for all processes that verify with the same keys, in one atomic step a nonce. A Valkey that was
 * restarted, emptied or replaced by its replica does not know what it has served before: every timestamp up to that moment,
 * the future skew and the difference that clocks may have is `early`, for some ten seconds. Whatever fails rejects, and the call is
 * refused as "could not check". All processes that share it are given the same window.
 *
 * @param options - the connection, the window, and how much one key may use
 * @throws TypeError when the window is not one, or the limit is none
 * @example
 * ```ts
 * import { hmac, type KeySource } from "@zero-trust/auth/server";
 * import { type ValkeyClient, valkeyNonceStore } from "@zero-trust/auth/stores/valkey";
 *
 * const verifier = (client: ValkeyClient, keys: KeySource) =>
 *   hmac({ keys, nonces: valkeyNonceStore({ client }), audience: "https://payment.production.internal" });
 * ```
 */
export function valkeyNonceStore(options: ValkeyNonceOptions): ValkeyNonceStore {
  const { client, maxNoncesPerKey = 250_000, now = Date.now } = options;
  if (!Number.isSafeInteger(maxNoncesPerKey) || maxNoncesPerKey < 1) {
    throw new TypeError("maxNoncesPerKey is not a whole number of nonces.");
  }
  const window = windowOf(options);
  const lifeSeconds = window.pastSeconds + CLOCK_DIFFERENCE_SECONDS + MARK_SECONDS + 1;
  const sliceSeconds = Math.ceil((window.pastSeconds + window.futureSeconds + 1) / SLICES);
  const nowSeconds = () => Math.floor(now() / 1000);
  let horizon = Number.POSITIVE_INFINITY;
  let renewedMs = Number.NEGATIVE_INFINITY;

  async function renew(): Promise<void> {
    const args = [wholeSeconds(nowSeconds()), CLOCK_DIFFERENCE_SECONDS, window.futureSeconds, MARK_SECONDS];
    const reply = await client.run(renewScript, { keys: [MARK], args });
    if (!Array.isArray(reply) || reply[0] !== "since") return;
    horizon = Number(reply[1]);
    renewedMs = performance.now();
  }
  // Why it fails, each claim says by itself, and the client.
  const tryToRenew = () => void renew().catch(() => undefined);
  const timer = setInterval(tryToRenew, RENEW_MS).unref();
  tryToRenew();

  return {
    window,
    isReady: () => client.isReady() && performance.now() - renewedMs < STALE_MS && nowSeconds() > horizon,
    async claim(use) {
      const keys = [MARK, `${PREFIX}${use.hash}`, `${PREFIX}of:${use.keyId}`];
      const times = [wholeSeconds(use.timestampSeconds), wholeSeconds(use.nowSeconds), CLOCK_DIFFERENCE_SECONDS];
      const limits = [window.pastSeconds, lifeSeconds, maxNoncesPerKey, sliceSeconds];
      try {
        const verdict = await client.run(claimScript, { keys, args: [...times, ...limits] });
        if (verdict === "clock") throw new ValkeyUnavailable("our clock and Valkey's are too far apart");
        if (!verdicts.has(verdict)) throw new ValkeyUnavailable("Valkey answered nonsense");
        return verdict as NonceVerdict;
      } catch (error) {
        // Its memory is used up, and it may not forget.
        if (error instanceof ValkeyUnavailable && error.code === "OOM") return "full";
        throw error;
      }
    },
    close: () => clearInterval(timer),
  };
}

/** In a script, "NaN" is a number, and no comparison with it holds. */
function wholeSeconds(value: number): number {
  if (!Number.isSafeInteger(value)) throw new ValkeyUnavailable("the clock gives no time");
  return value;
}
