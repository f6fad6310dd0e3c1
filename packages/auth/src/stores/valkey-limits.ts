import { checkedRate, type LimitStore, type LimitTake, type LimitVerdict } from "../limits/limit-store.ts";
import { type ValkeyClient, valkeyScript } from "./valkey-client.ts";
import { ValkeyUnavailable } from "./valkey-connection.ts";

/** Where calls are counted. */
export interface ValkeyLimitsOptions {
  readonly client: ValkeyClient;
  /** Whose callers are counted; each service that shares the server counts its own. `spiffe://production.internal/payment-service` */
  readonly service: string;
}

/** Calls that all processes of a service count together. */
export interface ValkeyLimits extends LimitStore {
  take(taking: LimitTake): Promise<LimitVerdict>;
}

/** The arithmetic of `askBucket`, by Valkey's clock; a bucket that is full again is forgotten, which is the same. */
const takeScript = valkeyScript(`
local perSecond, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local call = 1000 / perSecond
local full = tonumber(redis.call('GET', KEYS[1]) or now)
local after = math.min(math.max(full, now), now + call * burst) + call
local late = after - now - call * burst - call * 1e-6
if late > 0 then return math.ceil(late) end
if cost > 0 then redis.call('SET', KEYS[1], string.format('%.17g', after), 'PX', string.format('%d', math.ceil(after - now))) end
return 0
`);

/**
 * Counts calls in Valkey, for all processes of a service, in one atomic step a question. After a restart that has lost the counts
 * everybody has a whole bucket again. Whatever fails rejects, and the call is refused as "could not check".
 *
 * @param options - the connection, and whose callers are counted
 * @example
 * ```ts
 * import { type ProtectOptions, protect } from "@zero-trust/auth/server";
 * import { type ValkeyClient, valkeyLimits } from "@zero-trust/auth/stores/valkey";
 *
 * export const strict = (options: ProtectOptions, client: ValkeyClient) =>
 *   protect({ ...options, limits: { store: valkeyLimits({ client, service: "greeter" }) } });
 * ```
 */
export function valkeyLimits({ client, service }: ValkeyLimitsOptions): ValkeyLimits {
  return {
    async take({ key, cost, rate }) {
      const { perSecond, burst } = checkedRate(rate, key);
      const reply = await client.run(takeScript, {
        keys: [`zt:limit:${service} ${key}`],
        args: [perSecond, burst, cost],
      });
      if (typeof reply !== "number" || reply < 0) throw new ValkeyUnavailable("Valkey answered nonsense");
      return reply === 0 ? { allowed: true } : { allowed: false, retryAfterMs: reply };
    },
  };
}
