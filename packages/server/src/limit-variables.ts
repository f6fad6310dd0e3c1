import {
  defaultClientLimit,
  defaultFailureLimit,
  defaultPeerLimit,
  type Limit,
  type LimitsOptions,
  type Rate,
} from "@zero-trust/auth/server";
import { parseSpiffeId } from "@zero-trust/mtls";
import { z } from "zod";

/** What may be asked for at once where it is not said: the calls of so many seconds. */
const BURST_SECONDS = 2;

const example = {
  workload: "such as 1000/s:2000,spiffe://production.internal/order-service=2000/s",
  client: "such as 500/s:1000,order-service=2000/s",
};

/**
 * How many calls a caller may make: `500/s`, `500/s:1000` with how many at once, and other ones for some,
 * `500/s:1000,order-service=2000/s`.
 */
function limit(usual: Rate, kind: keyof typeof example): z.ZodType<Limit | undefined> {
  return z
    .string()
    .optional()
    .transform((value, context): Limit | undefined => {
      if (value === undefined) return undefined;
      try {
        return parseLimit(value, usual, kind);
      } catch (error) {
        const { message } = error as Error;
        context.addIssue({ code: "custom", message: `${message}, ${example[kind]}` });
        return z.NEVER;
      }
    });
}

function parseLimit(value: string, usual: Rate, kind: keyof typeof example): Limit {
  let rate: Rate | undefined;
  const others = new Map<string, Rate>();
  for (const part of value.split(",")) {
    const at = part.lastIndexOf("=");
    const id = part.slice(0, Math.max(0, at));
    if (at >= 0 && !isId(id, kind)) throw new Error(`must name ${kind === "client" ? "client ids" : "SPIFFE IDs"}`);
    if (at < 0 ? rate !== undefined : others.has(id)) throw new Error("must say each limit once");
    const parsed = parseRate(part.slice(at + 1));
    if (at < 0) rate = parsed;
    else others.set(id, parsed);
  }
  return { ...(rate ?? usual), ...(others.size === 0 ? {} : { others }) };
}

function parseRate(text: string): Rate {
  const [, perSecond, burst] = /^([0-9]{1,7}(?:\.[0-9]{1,4})?)\/s(?::([0-9]{1,7}))?$/u.exec(text) ?? [];
  const rate = {
    perSecond: Number(perSecond),
    burst: burst === undefined ? Math.max(1, Math.ceil(Number(perSecond) * BURST_SECONDS)) : Number(burst),
  };
  const isRate = rate.perSecond >= 0.0001 && rate.perSecond <= 1_000_000 && rate.burst >= 1 && rate.burst <= 1_000_000;
  if (!isRate) throw new Error("must be calls a second, and how many at once, from 0.0001 to 1000000");
  return rate;
}

function isId(id: string, kind: keyof typeof example): boolean {
  if (kind === "client") return /^[a-z0-9][a-z0-9-]{0,62}$/u.test(id);
  try {
    return parseSpiffeId(id).uri === id;
  } catch {
    return false;
  }
}

/** The variables of limits, for a schema of `readConfig`. */
export const limitVariables: {
  readonly ZT_LIMIT_PEER: z.ZodType<Limit | undefined>;
  readonly ZT_LIMIT_CLIENT: z.ZodType<Limit | undefined>;
  readonly ZT_LIMIT_FAILURES: z.ZodType<Limit | undefined>;
} = {
  /** Calls of one workload to one process. */
  ZT_LIMIT_PEER: limit(defaultPeerLimit, "workload"),
  /** Calls of one client that are let in. */
  ZT_LIMIT_CLIENT: limit(defaultClientLimit, "client"),
  /** Calls of one workload whose credentials are wrong. */
  ZT_LIMIT_FAILURES: limit(defaultFailureLimit, "workload"),
};

/** The limits that the variables set; what they do not set has its default. */
export function limitsOf(variables: z.infer<z.ZodObject<typeof limitVariables>>): Omit<LimitsOptions, "store"> {
  const { ZT_LIMIT_PEER: peer, ZT_LIMIT_CLIENT: client, ZT_LIMIT_FAILURES: failures } = variables;
  return {
    ...(peer === undefined ? {} : { peer }),
    ...(client === undefined ? {} : { client }),
    ...(failures === undefined ? {} : { failures }),
  };
}
