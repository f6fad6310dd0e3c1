import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "node:tls";
import { valkeyClient, valkeyLimits, valkeyNonceStore } from "@zero-trust/auth/stores/valkey";
import { clientTlsOptions, identityFromMemory } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { startValkey } from "@zero-trust/testkit/servers";
import { many } from "./many.ts";
import { meter } from "./processor-time.ts";

/** What Valkey takes: of its processor in microseconds, and of its memory. */
export interface ValkeyCost {
  readonly nonceMicroseconds: number;
  readonly nonceBytes: number;
  readonly limitMicroseconds: number;
}

const NONCES = 30_000;
const CALLS = 30_000;
const CALLERS = 500;
/** At most so often, so far apart, until it serves. */
const MAX_TRIES = 200;
const POLL_MS = 50;
/** Commands that are under way at a time. */
const AT_A_TIME = 64;

/** Claims nonces and counts calls in a Valkey server, and reads what it took that. */
export async function measureValkey(): Promise<ValkeyCost> {
  const ca = await createCa();
  const workload = (name: string) => ca.issue({ spiffeId: `spiffe://production.internal/${name}` });
  await using server = await startValkey({ tls: await workload("valkey") });
  const identity = identityFromMemory(await workload("payment-service"));
  const serverId = "spiffe://production.internal/valkey";
  const url = `rediss://${server.user}@${server.host}:${server.port}`;
  using opened = new DisposableStack();
  const client = opened.adopt(
    // However busy the machine is: how long it takes is not what is measured.
    valkeyClient({ url, password: () => server.password, identity, serverId, commandTimeoutMs: 10_000 }),
    (it) => it.close(),
  );
  const nonces = opened.adopt(valkeyNonceStore({ client, maxNoncesPerKey: 2 * NONCES }), (it) => it.close());
  const claim = async () => {
    const nowSeconds = Math.floor(Date.now() / 1000);
    const hash = randomBytes(32).toString("base64url");
    // A minute ahead: the store is too young for what is earlier.
    return await nonces.claim({ keyId: "hk-scaling00", hash, timestampSeconds: nowSeconds + 60, nowSeconds });
  };
  // Until it is connected, and has been told since when it is relied on.
  for (let tries = 0; (await claim().catch(() => undefined)) !== "new"; tries += 1) {
    if (tries > MAX_TRIES) throw new Error("Valkey takes no nonces.");
    await pause(POLL_MS);
  }
  const usedBytes = async () => {
    const socket = connect({ ...clientTlsOptions({ identity, serverId }), host: server.host, port: server.port });
    await once(socket, "secureConnect");
    socket.end(`AUTH ${server.user} ${server.password}\r\nINFO memory\r\n`);
    return Number(/^used_memory:(\d+)/m.exec(await text(socket))?.[1]);
  };

  const before = await usedBytes();
  const claiming = meter([server.pid]);
  await many(NONCES, AT_A_TIME, claim);
  const nonceMicroseconds = claiming() / NONCES;
  const nonceBytes = ((await usedBytes()) - before) / NONCES;

  const limits = valkeyLimits({ client, service: "scaling" });
  const rate = { perSecond: 1_000, burst: 1_000 };
  const counting = meter([server.pid]);
  let caller = 0;
  await many(CALLS, AT_A_TIME, async () => {
    caller += 1;
    await limits.take({ key: `client client-${caller % CALLERS}`, cost: 1, rate });
  });
  return { nonceMicroseconds, nonceBytes, limitMicroseconds: counting() / CALLS };
}
