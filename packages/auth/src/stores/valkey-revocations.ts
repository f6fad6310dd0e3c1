import {
  parseRevocations,
  type RevocableToken,
  RevocationsUnavailable,
  type TokenRevocations,
  wasIssuedBy,
} from "../bearer/token-revocations.ts";
import { type ValkeyClient, valkeyScript } from "./valkey-client.ts";
import { memoryOf } from "./valkey-memory.ts";

/** Where revocations are. */
export interface ValkeyRevocationsOptions {
  readonly client: ValkeyClient;
}

/** Revocations that take effect with the next call. */
export interface ValkeyRevocations extends TokenRevocations {
  isRevoked(token: RevocableToken): Promise<boolean>;
}

/** For how long Valkey is taken to know all of them after the authorization server said so, in seconds. */
const MARK_SECONDS = 10;
/** How long an entry stays that is not published again: well beyond the mark, so that none is missing while that is there. */
const ENTRY_SECONDS = 60;
/** Entries that are written in one step: a millisecond of Valkey's, in which nobody else is answered. */
const ENTRIES_AT_ONCE = 500;
/** How often a process looks whether Valkey knows, in milliseconds. */
const LOOK_MS = 1_000;
/** When it has not looked for so long, it cannot tell. */
const STALE_MS = 3_000;

const PREFIX = "zt:revoked:";
const MARK = `${PREFIX}known`;

const askScript = valkeyScript(
  `${memoryOf}
if redis.call('GET', KEYS[1]) ~= memory() then return 'unknown' end
if #KEYS == 1 then return 'known' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'revoked' end
return {'before', redis.call('GET', KEYS[3]) or ''}
`,
  { isReadOnly: true },
);

/** Writes entries as long as it is the memory that the first ones went into; the last step, without any, says that it knows all. */
const publishScript = valkeyScript(`${memoryOf}
local here = memory()
if ARGV[1] ~= '' and ARGV[1] ~= here then return '' end
if #KEYS == 1 and ARGV[1] ~= '' then redis.call('SET', KEYS[1], here, 'EX', ARGV[2]) end
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1], 'EX', ARGV[2]) end
return here
`);

/**
 * Asks Valkey whether a token was revoked, in one atomic step: a revocation takes effect with the next call. A Valkey that
 * was restarted, emptied or replaced, or that nobody has published to for ten seconds, cannot tell, and neither can one that does
 * not answer. {@link anyRevocations} lets a polled list carry on then.
 *
 * @param options - the connection
 * @example
 * ```ts
 * import { type ValkeyClient, valkeyRevocations } from "@zero-trust/auth/stores/valkey";
 *
 * export const revocations = (client: ValkeyClient) => valkeyRevocations({ client });
 * ```
 */
export function valkeyRevocations({ client }: ValkeyRevocationsOptions): ValkeyRevocations {
  let knownMs = Number.NEGATIVE_INFINITY;

  const look = () =>
    void client.run(askScript, { keys: [MARK], args: [] }).then(
      (reply) => {
        knownMs = reply === "known" ? performance.now() : Number.NEGATIVE_INFINITY;
      },
      () => undefined,
    );
  const timer = setInterval(look, LOOK_MS).unref();
  look();

  return {
    async isRevoked({ jti, client: holder, issuedAtSeconds }) {
      const keys = [MARK, `${PREFIX}token:${jti}`, `${PREFIX}client:${holder}`];
      const reply = await client.run(askScript, { keys, args: [] });
      if (reply === "revoked") return true;
      if (!Array.isArray(reply) || reply[0] !== "before" || typeof reply[1] !== "string") {
        throw new RevocationsUnavailable("Valkey does not know what was revoked");
      }
      return reply[1] !== "" && wasIssuedBy(issuedAtSeconds, Number(reply[1]));
    },
    isReady: () => client.isReady() && performance.now() - knownMs < STALE_MS,
    close: () => clearInterval(timer),
  };
}

/**
 * Tells Valkey all that an authorization server has taken back, and that this is all: its own database stays the truth. It is
 * published again every few seconds, and at once when something is revoked; what is not is forgotten after a minute.
 *
 * @param client - the connection
 * @param list - the document that verifiers poll: `{ tokens: [{ jti, exp }], clients: [{ client_id, before }] }`
 * @throws JsonShapeError for a list that is none; ValkeyUnavailable when it is not known whether all of it is there
 * @example
 * ```ts
 * import { publishRevocations, type ValkeyClient } from "@zero-trust/auth/stores/valkey";
 *
 * export const publish = async (client: ValkeyClient) => {
 *   await publishRevocations(client, { tokens: [], clients: [{ client_id: "partner", before: 1_795_000_000 }] });
 * };
 * ```
 */
export async function publishRevocations(client: ValkeyClient, list: unknown): Promise<void> {
  const { tokens, clients } = parseRevocations(list);
  const entries = [
    ...[...tokens].map((jti) => [`${PREFIX}token:${jti}`, "1"] as const),
    ...[...clients].map(([holder, before]) => [`${PREFIX}client:${holder}`, String(before)] as const),
  ];
  let memory = "";
  const write = async (some: typeof entries, seconds: number) => {
    const keys = [MARK, ...some.map(([key]) => key)];
    const reply = await client.run(publishScript, { keys, args: [memory, seconds, ...some.map(([, value]) => value)] });
    if (typeof reply !== "string" || reply === "") throw new RevocationsUnavailable("Valkey has lost what it was told");
    memory = reply;
  };
  // The first step learns whose memory it is, also where there is nothing to write.
  for (let from = 0; from === 0 || from < entries.length; from += ENTRIES_AT_ONCE) {
    await write(entries.slice(from, from + ENTRIES_AT_ONCE), ENTRY_SECONDS);
  }
  await write([], MARK_SECONDS);
}
